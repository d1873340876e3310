//! What the sessions of one group receive and send. What to send is decided once per commit, so that a hundred messages
//! in one commit are acknowledged with one set of heads.

use super::super::damage;
use super::super::effects::Effects;
use super::super::entropy::Entropy;
use super::super::event::Effect;
use super::super::preview::PreviewOnLink;
use super::due::DueOnLink;
use super::heads::OwnHeads;
use super::intake::Intake;
use super::{Room, untold};
use crate::change::Verified;
use crate::group::{EntryNo, reaches};
use crate::id::{ChangeHash, GroupId};
use crate::limits::{HEADS_MAX, PREVIEW_FROM};
use crate::store::Store;
use crate::sync::{LinkBudget, LinkId, Request, Session, bloom_since};
use crate::time::Now;
use crate::wire::frame::{Control, Frame};
use crate::wire::sync_message::{Have, SyncMessage};

impl Room {
    /// A link pulls: new entries go out with the answer, without waiting for the next push.
    pub fn answer_now(&mut self) {
        self.fresh.push_now();
    }

    /// Processes the rest of a message whose changes have been taken in.
    pub fn hear<S: Store>(
        &mut self,
        store: &S,
        link: LinkId,
        message: &SyncMessage<Verified>,
        intake: &Intake,
        budget: &mut LinkBudget,
        now: Now,
    ) -> Result<(), S::Error> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        session.hear(store, self.no, &self.heads.numbers(), message, budget, now)?;
        let blank = |have: &Have| have.last_sync.is_empty() && have.bloom.is_empty();
        self.pulling.heard(link, intake.brought(message.have.iter().any(blank)), now);
        if intake.bytes() > 0 {
            session.owe_acknowledgement(intake.bytes(), self.pulling.link() == Some(link));
        }
        Ok(())
    }

    /// Whether the other side's digest, which is `equal` to ours or not, changes anything for this group.
    pub fn is_news(&self, link: LinkId, equal: bool) -> bool {
        self.sessions.get(&link).is_some_and(|session| {
            let told = || session.has_announced(&self.heads.hashes());
            !session.is_level(&self.heads.numbers()) && (equal || !told())
        })
    }

    /// The other side of a link has shown a digest equal to ours.
    pub fn hear_level<S: Store>(
        &mut self,
        store: &S,
        link: LinkId,
        budget: &mut LinkBudget,
        now: Now,
    ) -> Result<(), S::Error> {
        let (ours, hashes) = (self.heads.numbers(), self.heads.hashes());
        match self.sessions.get_mut(&link) {
            Some(session) => session.hear_level(store, self.no, &ours, hashes, budget, now),
            None => Ok(()),
        }
    }

    /// The other side of a link has shown a digest unlike ours: sends it our heads.
    pub fn hear_unlike(&mut self, link: LinkId) {
        self.due.heads(link);
    }

    /// Queues new entries on every live session, at most every `PUSH_EVERY_MS`.
    pub fn push(&mut self, now: Now) {
        let fresh = self.fresh.take(now);
        if !fresh.is_empty() {
            self.sessions.values_mut().for_each(|session| session.push(&fresh));
        }
    }

    /// Decides what to request, and from which link. Returns the link of the pull that was under way before, if any.
    pub fn pull<S: Store>(&mut self, store: &mut S, now: Now) -> Result<Option<LinkId>, S::Error> {
        let before = self.pulling.link();
        if let Some(ask) = self.pulling.drive(&self.sessions, &self.orphans, now) {
            self.due.request(ask.link, ask.request, ask.need);
        }
        // Only once all links have sent their heads: the first may know as little as we do.
        let level = |session: &Session| session.theirs().is_some() && !session.wants();
        if !self.caught_up && !self.sessions.is_empty() && self.sessions.values().all(level) {
            self.caught_up = true;
            store.set_caught_up(self.no)?;
        }
        Ok(before)
    }

    pub fn pulls_from(&self) -> Option<LinkId> {
        self.pulling.link()
    }

    /// Ends the preview if it is over. `pulled` is the link of the last pull.
    pub fn end_preview(&mut self, pulled: Option<LinkId>, effects: &mut Effects) {
        let level = |link: LinkId| self.sessions.get(&link).is_some_and(|session| !session.wants());
        if pulled.is_some_and(level) {
            self.preview.rest_came();
        }
        if let Some(shown) = self.preview.shown()
            && self.preview.is_over(self.is_behind(shown), self.pulling.is_stalled(shown))
        {
            self.preview.end();
            effects.push(Effect::PreviewOver { group: self.no });
        }
    }

    /// Asks the link that is pulled from for a preview, while the group has fewer than `PREVIEW_FROM` entries here.
    pub fn ask_for_preview(&mut self, link: LinkId, on_link: &mut PreviewOnLink, effects: &mut Effects) {
        if self.preview.shown() == Some(link) || self.entries >= PREVIEW_FROM || !self.is_behind(link) {
            return;
        }
        if on_link.is_answered(self.no) {
            return;
        }
        if on_link.ask(self.no) {
            effects.send(link, Control::Preview { group: self.id });
        }
        self.preview.ask(link);
    }

    /// Whether to show the preview that this link has sent.
    pub fn takes_preview(&mut self, link: LinkId, now: Now) -> bool {
        if !self.preview.answered(link) || !self.is_behind(link) {
            return false;
        }
        self.pulling.sent_preview(link, now);
        true
    }

    pub fn show_preview(&mut self, link: LinkId) {
        self.preview.show(link);
    }

    /// Requests the damaged entries from every link that has sent its heads, once each.
    pub fn ask_for_repairs(&mut self) {
        for (&link, session) in &self.sessions {
            // The request of a pull goes first; this one follows with the next commit.
            if session.theirs().is_some()
                && !self.due.has_request(link)
                && let Some(need) = self.repairs.ask(link)
            {
                self.due.request(link, Request::ByName, need);
            }
        }
    }

    /// Sends our heads to some of the links, if an announcement is due.
    pub fn announce(&mut self, now: Now, entropy: &mut Entropy) {
        if self.announcing.is_due(now) {
            let (heads, untold) = (self.heads.hashes(), untold(&self.sessions, &self.heads));
            let caught_up = self.pulling.take_caught_up();
            for link in self.announcing.announce(heads, caught_up, untold, entropy) {
                self.due.heads(link);
            }
        }
    }

    /// All sessions have sent what they could: plans the next announcement.
    pub fn spoke(&mut self, now: Now) {
        self.fresh.sent();
        let untold = || untold(&self.sessions, &self.heads);
        self.announcing.plan(&self.heads.hashes(), self.pulling.has_caught_up(), untold, now);
    }

    /// Sends what one session has to send: a request, changes, heads, or nothing. Returns the entries that were left
    /// out because they cannot be read.
    pub fn speak_on<S: Store>(
        &mut self,
        store: &S,
        link: LinkId,
        budget: &mut LinkBudget,
        effects: &mut Effects,
        now: Now,
    ) -> Result<Vec<EntryNo>, S::Error> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(Vec::new()) };
        let DueOnLink { heads, request } = self.due.take(link);
        session.settle(&self.heads.numbers());
        let heads = heads || session.acknowledge_due_us().is_some_and(|due| due <= now.ticks_us);
        let mut voice =
            Voice { group: self.id, link, heads: self.heads.hashes(), effects, now, silent: true };
        if let Some((request, need)) = request {
            let have = describe(store, self.no, &self.heads, self.id, session, request)?;
            voice.say(session, SyncMessage { need, have, ..SyncMessage::default() });
        }
        let mut unreadable = Vec::new();
        while session.may_send(budget) {
            let bytes = |entry| {
                let bytes = match self.fresh.bytes(entry) {
                    Some(bytes) => Some(bytes),
                    None => damage::bytes(store, self.no, entry)?.map(Into::into),
                };
                unreadable.extend(bytes.is_none().then_some(entry));
                Ok(bytes)
            };
            let changes = store.read_together(|| session.take_batch(budget, now, bytes))?;
            if changes.is_empty() {
                break;
            }
            voice.say(session, SyncMessage { changes, ..SyncMessage::default() });
        }
        if heads && voice.silent {
            voice.say(session, SyncMessage::default());
        }
        Ok(unreadable)
    }

    /// Whether another peer has shown that it has our farewell.
    pub fn is_farewell_elsewhere<S: Store>(&self, store: &S) -> Result<bool, S::Error> {
        let Some(farewell) = self.leaving else { return Ok(false) };
        let Some(no) = store.find(self.no, &farewell)? else { return Ok(false) };
        for theirs in self.sessions.values().filter_map(Session::theirs) {
            if reaches(store, self.no, &theirs.known, no)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Sends sync messages on one link, each with our heads.
struct Voice<'a> {
    group: GroupId,
    link: LinkId,
    heads: Vec<ChangeHash>,
    effects: &'a mut Effects,
    now: Now,
    silent: bool,
}

impl Voice<'_> {
    fn say(&mut self, session: &mut Session, message: SyncMessage) {
        debug_assert!(self.heads.is_sorted(), "heads go over the wire in ascending order");
        session.note_announced(&self.heads, self.now);
        let message = SyncMessage { heads: self.heads.clone(), ..message };
        self.effects.send(self.link, Frame::Sync { group: self.group, message });
        self.silent = false;
    }
}

/// The description of what is here that the request calls for.
fn describe<S: Store>(
    store: &S,
    no: crate::group::GroupNo,
    ours: &OwnHeads,
    id: GroupId,
    session: &Session,
    request: Request,
) -> Result<Vec<Have>, S::Error> {
    let known = session.theirs().map(|theirs| theirs.known.as_slice()).unwrap_or_default();
    let mut since = match request {
        Request::ByName => return Ok(Vec::new()),
        Request::SinceShared => [session.shared(), known].concat(),
        Request::SinceKnown => known.to_vec(),
    };
    // Every peer has the genesis, so it is never sent.
    since.push(EntryNo::GENESIS);
    let bloom = bloom_since(store, no, &ours.numbers(), &since)?;
    let mut last_sync = Vec::with_capacity(since.len());
    for entry in since {
        last_sync.extend(store.node(no, entry)?.map(|node| node.hash));
    }
    last_sync.sort_unstable();
    last_sync.dedup();
    last_sync.truncate(HEADS_MAX);
    if last_sync.len() > 1 {
        last_sync.retain(|hash| *hash != id.genesis());
    }
    Ok(vec![Have { last_sync, bloom }])
}
