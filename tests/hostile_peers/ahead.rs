//! A member that sends a preview of a group, and then anything it likes. It can show only entries that were
//! really written, apart from the history, and only while its link is up.

use peer::api::{Client, Events, EventsQuery, History, HistoryQuery, Preview, Row, What};
use peer_engine::change::Verified;
use peer_engine::id::GroupName;
use peer_engine::wire::CloseCode;
use peer_engine::wire::frame::{Control, Frame};

use crate::raw::{Raw, RawLink, flagged_for, two_members};
use crate::support::{GROUP, Member, until};

/// A newcomer to a group of which only the raw member has entries, and that member's link, on which the
/// newcomer has asked for a preview.
struct Newcomer {
    member: Member,
    client: Client,
    events: Events,
    raw: Raw,
    link: RawLink,
    chain: Vec<Verified>,
}

impl Newcomer {
    async fn new(seed: u8) -> Self {
        let mut founder = Member::in_group("ann", None);
        let member = Member::started("ben", Some(&founder.ticket()));
        until("the group is known", || member.json(&["groups"]).iter().any(|group| group["name"] == GROUP));
        founder.stop();
        member.join();
        let client = Client::open(&member.data).await.unwrap();
        let events = client.events(&EventsQuery::default()).await.unwrap();
        let raw = Raw::new(&member, seed);
        let chain = raw.writer(0).write_many(1_000, "said");
        let mut link = raw.link(&member).await;
        link.announce(&[chain[chain.len() - 1].hash()]).await;
        while link.next().await.unwrap() != Frame::Control(Control::Preview { group: raw.group() }) {}
        Self { member, client, events, raw, link, chain }
    }

    async fn send_ahead(&mut self, changes: &[Verified]) {
        let changes = changes.iter().map(|change| change.bytes().clone()).collect();
        assert!(self.link.try_frame(Frame::Preview { group: self.raw.group(), changes }).await);
    }

    /// Waits for an event that the preview has changed or ended.
    async fn told(&mut self) {
        while self.events.next().await.unwrap().unwrap().what != (What::Preview { group: group() }) {}
    }

    async fn preview(&self) -> Preview {
        self.client.preview(&group()).await.unwrap()
    }

    async fn history(&self) -> History {
        self.client.history(&group(), &HistoryQuery::default()).await.unwrap()
    }
}

fn group() -> GroupName {
    GROUP.parse().unwrap()
}

fn bodies(rows: &[Row]) -> Vec<&str> {
    rows.iter().filter_map(|row| row.body.as_deref()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_ahead_is_shown_apart_until_its_place_is_known() {
    let mut newcomer = Newcomer::new(70).await;
    assert_eq!(newcomer.preview().await, Preview::default());
    let last = newcomer.chain[950..].to_vec();
    newcomer.send_ahead(&last).await;
    newcomer.told().await;

    let preview = newcomer.preview().await;
    assert_eq!(preview.from, Some(newcomer.raw.identity.peer()));
    let expected: Vec<String> = (950..1_000).map(|number| format!("said {number}")).collect();
    assert_eq!(bodies(&preview.entries), expected);
    for (row, change) in preview.entries.iter().zip(&last) {
        assert_eq!((row.id, row.author, &row.group), (change.hash(), change.author(), &group()));
        assert_eq!((row.arrival, row.late, row.stored_on), (0, false, None));
    }
    // The history does not contain the preview, and tells its reader that newer messages exist.
    assert_eq!(newcomer.history().await.entries.len(), 1);
    let shown = newcomer.member.run(&["history", GROUP]);
    assert_eq!((shown.code, shown.out.contains("said")), (0, false), "{shown:?}");
    assert_eq!(shown.err, "newer messages of rust exist, and are on their way\n");
    assert_eq!(newcomer.member.run(&["history", GROUP, "--json"]).rows().len(), 1);
    // A client that begins to listen to this group gets an event for the present preview.
    let only = EventsQuery { group: Some(group().into()), ..EventsQuery::default() };
    let mut listener = newcomer.client.events(&only).await.unwrap();
    assert_eq!(listener.next().await.unwrap().unwrap().what, What::Preview { group: group() });

    // The preview leaves out entries that the history holds by now.
    let chain = newcomer.chain.clone();
    for part in chain[..960].chunks(240) {
        assert!(newcomer.link.push(&[part, &chain[999..]].concat()).await);
    }
    until("most of it has come", || newcomer.member.history().len() == 1 + 960);
    assert_eq!(bodies(&newcomer.preview().await.entries), expected[10..]);

    assert!(newcomer.link.push(&chain[960..]).await);
    newcomer.told().await;
    assert_eq!(newcomer.preview().await, Preview::default());
    until("all of it has come", || newcomer.member.history().len() == 1 + 1_000);
    let history = newcomer.history().await;
    assert!(history.entries.iter().all(|row| row.arrival > 0));
    newcomer.member.run(&["history", GROUP]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_goes_with_the_link_that_brought_it() {
    let mut newcomer = Newcomer::new(71).await;
    let last = newcomer.chain[990..].to_vec();
    newcomer.send_ahead(&last).await;
    newcomer.told().await;
    assert_eq!(newcomer.preview().await.entries.len(), 10);
    // A preview that was not asked for breaks the protocol.
    newcomer.send_ahead(&last).await;
    assert_eq!(newcomer.link.closed().await, CloseCode::Protocol);
    newcomer.told().await;
    assert_eq!(newcomer.preview().await, Preview::default());
    flagged_for(&newcomer.member, &newcomer.raw.key(), "no frame of the protocol");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_author_has_not_signed_is_not_shown() {
    let mut newcomer = Newcomer::new(72).await;
    let mut forged = newcomer.chain[999].bytes().to_vec();
    let signature = forged.len() - 1;
    forged[signature] ^= 1;
    let frame = Frame::Preview { group: newcomer.raw.group(), changes: vec![forged.into()] };
    assert!(newcomer.link.try_frame(frame).await);
    assert_eq!(newcomer.link.closed().await, CloseCode::Change);
    flagged_for(&newcomer.member, &newcomer.raw.key(), "invalid change");
    assert_eq!(newcomer.preview().await, Preview::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_ahead_unasked_loses_the_link() {
    let [ann, _bob] = two_members();
    let raw = Raw::new(&ann, 73);
    let mut link = raw.link(&ann).await;
    let changes = vec![raw.writer(0).write("look here").bytes().clone()];
    assert!(link.try_frame(Frame::Preview { group: raw.group(), changes }).await);
    assert_eq!(link.closed().await, CloseCode::Protocol);
    flagged_for(&ann, &raw.key(), "no frame of the protocol");
    assert!(!ann.bodies(GROUP).contains(&"look here".to_owned()));
}
