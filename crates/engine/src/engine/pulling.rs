//! Whom to ask for what is missing, and what to ask: one link of a group at a time.

use super::room::{Awaited, Room};
use crate::group::EntryNo;
use crate::limits::{ANNOUNCE_AFTER_MS, HEADS_MAX, NEED_MAX, PULL_STALL_MS};
use crate::store::Store;
use crate::sync::{LinkId, Pull, Request, Session, Step, bloom_since};
use crate::time::Now;
use crate::wire::bloom::Bloom;
use crate::wire::sync_message::Have;

/// Chooses whom to ask for what is missing, and what to ask.
pub(super) fn drive_pull<S: Store>(store: &mut S, room: &mut Room, now: Now) -> Result<(), S::Error> {
    if let Some(link) = room.pull.as_ref().filter(|pull| pull.is_stalled(now)).map(Pull::link) {
        give_up(room, link, now);
    }
    step_pull(room, now);
    if room.pull.is_none() && start_pull(room, now) {
        step_pull(room, now);
    }
    // Not before everybody has spoken: the first may know as little as we do.
    let spoken = |session: &Session| session.theirs().is_some();
    let level = !room.sessions.is_empty() && room.sessions.values().all(spoken);
    let wanting = room.sessions.values().any(Session::wants);
    if level && !wanting && !room.caught_up {
        room.caught_up = true;
        store.set_caught_up(room.no)?;
    }
    Ok(())
}

fn step_pull(room: &mut Room, now: Now) {
    let Some(link) = room.pull.as_ref().map(Pull::link) else { return };
    let theirs = room.sessions.get(&link).and_then(Session::theirs);
    let Some(theirs) = theirs.filter(|theirs| !theirs.unknown.is_empty()) else {
        room.pull = None;
        return;
    };
    let gaps = room.orphans.any_of(link, &theirs.unknown);
    let mut needs = room.orphans.needs(link, &theirs.unknown);
    needs.truncate(NEED_MAX);
    let Some(pull) = room.pull.as_mut() else { return };
    match pull.step(&needs, gaps) {
        Step::Ask(request, needs) => room.due.entry(link).or_default().request = Some((request, needs)),
        Step::Wait => {}
        Step::Done => {
            // It has announced something else instead of sending what it was asked for.
            if pull.is_fruitless() {
                room.stalled.entry(link).or_insert(now.ticks_us);
            }
            room.pull = None;
        }
    }
}

/// The link has not backed up the heads that it announced. It is asked again when it announces others, or
/// brings something after all.
fn give_up(room: &mut Room, link: LinkId, now: Now) {
    room.pull = None;
    room.stalled.entry(link).or_insert(now.ticks_us.saturating_sub(PULL_STALL_MS * 1000));
    if let Some(theirs) = room.sessions.get(&link).and_then(Session::theirs) {
        room.unbacked.insert(link, theirs.unknown.clone());
    }
}

/// Starts a pull from the next link that has something new: in turn, so that nobody who keeps announcing stands
/// in the way of the others, and those last that have let a pull stall. What links that have been level have is left a while to its author, who pushes it
/// by itself.
fn start_pull(room: &mut Room, now: Now) -> bool {
    let mut news = Vec::new();
    let turn = room.last_pulled.map_or(LinkId(0), |last| LinkId(last.0 + 1));
    let in_turn = || room.sessions.range(turn..).chain(room.sessions.range(..turn));
    let reliable = in_turn().filter(|(link, _)| !room.stalled.contains_key(link));
    for (&link, session) in reliable.chain(in_turn().filter(|(link, _)| room.stalled.contains_key(link))) {
        let Some(theirs) = session.theirs().filter(|_| session.wants()) else { continue };
        if room.unbacked.get(&link) == Some(&theirs.unknown) {
            continue;
        }
        let patient =
            session.is_live() && !room.awaited.as_ref().is_some_and(|awaited| awaited.is_over(theirs, now));
        if !patient {
            room.awaited = None;
            room.pull = Some(Pull::new(link, now));
            room.last_pulled = Some(link);
            return true;
        }
        news.extend_from_slice(&theirs.unknown);
    }
    match &room.awaited {
        _ if news.is_empty() => room.awaited = None,
        Some(awaited) if now.ticks_us < awaited.due_us => {}
        // Whatever was awaited has come; this is later news.
        _ => room.awaited = Some(Awaited { heads: news, due_us: now.in_ms(ANNOUNCE_AFTER_MS) }),
    }
    false
}

pub(super) fn describe<S: Store>(
    store: &S,
    room: &Room,
    link: LinkId,
    ours: &[EntryNo],
    request: Request,
) -> Result<Vec<Have>, S::Error> {
    let Some(session) = room.sessions.get(&link) else { return Ok(Vec::new()) };
    let known = session.theirs().map(|theirs| theirs.known.as_slice()).unwrap_or_default();
    let mut since = match request {
        Request::ByName => return Ok(Vec::new()),
        Request::SinceShared => [session.shared(), known].concat(),
        Request::SinceKnown => known.to_vec(),
    };
    // Everybody has the genesis, so nobody is to send it.
    since.push(EntryNo::GENESIS);
    let bloom: Bloom = bloom_since(store, room.no, ours, &since)?;
    let mut last_sync = Vec::with_capacity(since.len());
    for no in since {
        last_sync.extend(store.node(room.no, no)?.map(|node| node.hash));
    }
    last_sync.sort_unstable();
    last_sync.dedup();
    last_sync.truncate(HEADS_MAX);
    if last_sync.len() > 1 {
        last_sync.retain(|hash| *hash != room.id.genesis());
    }
    Ok(vec![Have { last_sync, bloom }])
}
