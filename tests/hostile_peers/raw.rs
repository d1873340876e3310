//! A malicious member with the mesh secret: real TLS, a valid hello, and then whatever a test sends.

use std::time::Duration;

use peer::transport::{HelloInfo, Link, Transport, TransportError};
use peer_engine::change::{Body, Change, Content, Genesis, Header, Verified};
use peer_engine::id::{ActorId, ChangeHash, GroupId};
use peer_engine::identity::Identity;
use peer_engine::time::Timestamp;
use peer_engine::wire::frame::{Control, Frame, PeerRecord};
use peer_engine::wire::sync_message::SyncMessage;
use peer_engine::wire::{CloseCode, Ticket};
use serde_json::Value;

use crate::support::{GROUP, Member, until};

/// Long enough for a slow machine; only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Raw {
    pub identity: Identity,
    pub ticket: Ticket,
    transport: Transport,
}

impl Raw {
    /// A member of the mesh of `member`; `seed` determines its key.
    pub fn new(member: &Member, seed: u8) -> Self {
        Self::with_key(member, [seed; 32])
    }

    pub fn with_key(member: &Member, seed: [u8; 32]) -> Self {
        let ticket: Ticket = member.ticket().parse().unwrap();
        let identity = Identity::from_seed(&seed);
        let transport = Transport::new(&identity, ticket.secret.clone()).unwrap();
        Self { identity, ticket, transport }
    }

    pub fn key(&self) -> String {
        self.identity.peer().to_string()
    }

    pub fn genesis(&self) -> Genesis {
        Genesis::public(self.ticket.mesh, GROUP.parse().unwrap())
    }

    pub fn group(&self) -> GroupId {
        self.genesis().id()
    }

    /// Tries once to make a link, which may fail.
    pub async fn try_link(&self, member: &Member) -> Result<RawLink, TransportError> {
        let link = self.transport.dial(&member.listens_on(), None, HelloInfo::default()).await?;
        Ok(RawLink { link, group: self.group() })
    }

    /// A link that is subscribed to the group of the tests.
    pub async fn link(&self, member: &Member) -> RawLink {
        self.link_to_groups(member, vec![self.group()]).await
    }

    pub async fn link_to_groups(&self, member: &Member, groups: Vec<GroupId>) -> RawLink {
        let mut link = self.try_link(member).await.unwrap();
        // The link may be closed already, which the next read shows.
        link.try_control(Control::Subscribe { groups }).await;
        link
    }

    /// An author that writes a chain of entries on the genesis, with an actor of its own.
    pub fn writer(&self, random: u8) -> Chain {
        Chain::new(&self.identity, self.group(), random)
    }
}

/// Changes of one actor, each on top of the one before.
pub struct Chain {
    author: Identity,
    group: GroupId,
    actor: ActorId,
    seq: u64,
    start_op: u64,
    last: ChangeHash,
}

impl Chain {
    pub fn new(author: &Identity, group: GroupId, random: u8) -> Self {
        let actor = ActorId::new(author.peer(), [random; 8]);
        let author = author.clone();
        Self { author, group, actor, seq: 1, start_op: Genesis::MAX_OP + 1, last: group.genesis() }
    }

    pub fn write(&mut self, body: &str) -> Verified {
        self.write_at(Timestamp::clamped(1_760_000_000_000), body)
    }

    pub fn write_at(&mut self, at: Timestamp, body: &str) -> Verified {
        let content = Content { at, kind: None, body: Body::Text(body.to_owned()), re: None, from: None };
        let header =
            Header { deps: vec![self.last], actor: self.actor, seq: self.seq, start_op: self.start_op };
        let change = Change::sign(self.group, header, content, &self.author).unwrap();
        self.seq += 1;
        self.start_op = change.max_op() + 1;
        self.last = change.hash();
        change
    }

    pub fn write_many(&mut self, count: usize, body: &str) -> Vec<Verified> {
        (0..count).map(|number| self.write(&format!("{body} {number}"))).collect()
    }
}

pub struct RawLink {
    link: Link,
    group: GroupId,
}

impl RawLink {
    pub async fn try_control(&mut self, control: Control) -> bool {
        self.try_frame(Frame::Control(control)).await
    }

    /// Returns whether the frame could be written.
    pub async fn try_frame(&mut self, frame: Frame) -> bool {
        self.try_bytes(frame.encode()).await
    }

    pub async fn try_bytes(&mut self, bytes: Vec<u8>) -> bool {
        self.link.writer.send(bytes).await.is_ok() && self.link.writer.flush().await.is_ok()
    }

    pub async fn tell_of(&mut self, peers: &[PeerRecord]) {
        for control in Control::peers(peers) {
            assert!(self.try_control(control).await, "the link ended");
        }
    }

    /// Sends a sync message of the group of the tests.
    pub async fn sync(&mut self, message: SyncMessage) -> bool {
        self.try_frame(Frame::Sync { group: self.group, message }).await
    }

    /// Announces these heads.
    pub async fn announce(&mut self, heads: &[ChangeHash]) {
        assert!(self.sync(SyncMessage { heads: heads.to_vec(), ..SyncMessage::default() }).await);
    }

    /// Sends changes, with the last one as the head.
    pub async fn push(&mut self, changes: &[Verified]) -> bool {
        let heads = changes.last().map(Verified::hash).into_iter().collect();
        let changes = changes.iter().map(|change| change.bytes().clone()).collect();
        self.sync(SyncMessage { heads, changes, ..SyncMessage::default() }).await
    }

    /// The next sync message of the group; `Err` when the link has been closed. Answers pings meanwhile.
    pub async fn next_sync(&mut self) -> Result<SyncMessage, CloseCode> {
        loop {
            match self.next().await? {
                Frame::Sync { group, message } if group == self.group => return Ok(message),
                _ => {}
            }
        }
    }

    pub async fn next(&mut self) -> Result<Frame, CloseCode> {
        let read = tokio::time::timeout(PATIENCE, self.link.reader.next()).await;
        let bytes = match read.expect("something is said on the link, or it is closed") {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(CloseCode::Leaving),
            Err(error) => return Err(error.close_code_of_theirs()),
        };
        let frame = Frame::decode(&bytes).unwrap();
        if let Frame::Control(Control::Ping { nonce, .. }) = &frame {
            self.try_control(Control::Pong { nonce: *nonce, wall_ms: 0, digest: None }).await;
        }
        Ok(frame)
    }

    /// Reads until the other side closes the link.
    pub async fn closed(&mut self) -> CloseCode {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// Reads without sending anything until the other side closes the link.
    pub async fn closed_in_silence(&mut self) -> CloseCode {
        loop {
            match tokio::time::timeout(PATIENCE, self.link.reader.next()).await.expect("it is closed") {
                Ok(Some(_)) => {}
                Ok(None) => return CloseCode::Leaving,
                Err(error) => return error.close_code_of_theirs(),
            }
        }
    }

    /// Only keeps the link alive, until the other side closes it.
    pub fn idle(mut self) -> tokio::task::JoinHandle<CloseCode> {
        tokio::spawn(async move { self.closed().await })
    }
}

trait Theirs {
    fn close_code_of_theirs(&self) -> CloseCode;
}

impl Theirs for TransportError {
    /// The reason with which the other side closed the link; `Leaving` for a connection that broke.
    fn close_code_of_theirs(&self) -> CloseCode {
        match self {
            Self::Closed { code } => *code,
            Self::Broken(_) => CloseCode::Leaving,
            error => panic!("{error}"),
        }
    }
}

/// The entries of `member`'s status that flag the peer with this key.
pub fn flags(member: &Member, key: &str) -> Vec<Value> {
    let status = member.status();
    let flagged = status["flagged"].as_array().unwrap();
    flagged.iter().filter(|flag| flag["peer"] == key).cloned().collect()
}

/// Waits until `member` flags that key for a link that broke the rules, with this reason.
#[track_caller]
pub fn flagged_for(member: &Member, key: &str, reason: &str) {
    let named = |flag: &Value| {
        flag["reason"].as_str().unwrap().contains(reason) && flag["group"].is_null() && flag["at"].is_string()
    };
    until(&format!("it is flagged: {reason}"), || flags(member, key).iter().any(named));
}

/// Resident memory of a process, in bytes; `None` where the system does not tell.
pub fn resident_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Asserts that a process takes at most this much more memory than before.
#[track_caller]
pub fn at_most_more(before: Option<u64>, process: u32, most: u64, what: &str) {
    match before.zip(resident_bytes(process)) {
        Some((before, after)) => {
            let more = after.saturating_sub(before);
            eprintln!("{what}: {:.1} MiB more resident memory", more as f64 / 1048576.0);
            assert!(more <= most, "{what}: {more} bytes more, {most} at most");
        }
        None => eprintln!("SKIPPED: this system does not tell the resident memory of a process"),
    }
}

/// Two honest members of one group, linked.
pub fn two_members() -> [Member; 2] {
    let ann = Member::in_group("ann", None);
    let bob = Member::in_group("bob", Some(&ann.ticket()));
    [ann, bob]
}

/// Asserts that each of two members receives what the other sends.
#[track_caller]
pub fn still_talk(members: [&Member; 2], what: &str) {
    for (from, to) in [(0, 1), (1, 0)] {
        let body = format!("{what} from {from}");
        members[from].send_lines(std::slice::from_ref(&body));
        until(&format!("{body} arrives"), || members[to].bodies(GROUP).contains(&body));
    }
}
