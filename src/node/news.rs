//! What is new at this peer, published in one place to all watchers.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use peer_engine::change::Verified;
use peer_engine::group::GroupNo;
use peer_engine::id::{ChangeHash, GroupName, PeerId};
use tokio::sync::watch;

use super::previews::Previews;

/// Something that changed.
pub(super) enum Notice {
    /// Entries were stored, or may be readable again.
    Entries,
    /// Read marks were moved.
    ReadMarks,
    /// Links, or what is known of the entries that other peers hold.
    Peers,
    /// A peer sent the newest entries of a group ahead of the others.
    Preview {
        group: GroupNo,
        from: PeerId,
        changes: Vec<Verified>,
    },
    PreviewOver {
        group: GroupNo,
    },
    /// The engine was restarted from what is on disk.
    Restarted,
    /// Somebody began to follow the spread of entries.
    Follower,
    FollowerGone,
    Spread(Spread),
}

/// How far entries have spread, as far as this peer knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Linked peers.
    pub connected: BTreeSet<PeerId>,
    /// Groups of which a linked peer has entries that are not here yet.
    pub behind: BTreeSet<GroupName>,
    /// Groups of which a linked peer lacks entries that are here.
    pub ahead: BTreeSet<GroupName>,
    /// This peer's own messages, the newest of each group last.
    pub own: Vec<OwnMessage>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnMessage {
    pub group: GroupNo,
    pub name: GroupName,
    pub id: ChangeHash,
    /// The number of peers that store it, this one included.
    pub stored_on: u32,
}

/// The state of everything that can change. The values of counters have no meaning; only their changes have.
#[derive(Clone, Default)]
pub struct News {
    /// Counts how often entries were stored, or became readable again.
    pub entries: u64,
    /// Counts how often a read mark was moved.
    pub read_marks: u64,
    /// Counts how often something was learnt about links or about other peers.
    pub peers: u64,
    pub previews: Arc<Previews>,
    /// `None` while nobody follows it, and until it has been looked up.
    pub spread: Option<Arc<Spread>>,
    pub(super) followers: u32,
}

impl News {
    fn take(&mut self, notice: Notice) {
        match notice {
            Notice::Entries => self.entries += 1,
            Notice::ReadMarks => self.read_marks += 1,
            Notice::Peers => self.peers += 1,
            Notice::Preview { group, from, changes } => {
                Arc::make_mut(&mut self.previews).show(group, from, changes);
            }
            Notice::PreviewOver { group } => Arc::make_mut(&mut self.previews).end(group),
            Notice::Restarted => {
                self.entries += 1;
                self.peers += 1;
                Arc::make_mut(&mut self.previews).end_all();
            }
            Notice::Follower => self.followers += 1,
            Notice::FollowerGone => {
                self.followers = self.followers.saturating_sub(1);
                if self.followers == 0 {
                    self.spread = None;
                }
            }
            Notice::Spread(spread) => {
                if self.followers > 0 && self.spread.as_deref() != Some(&spread) {
                    self.spread = Some(Arc::new(spread));
                }
            }
        }
    }
}

/// The writer's end: dropping it tells the watchers that the writer has ended.
pub(super) struct Publisher(Arc<watch::Sender<News>>);

impl Publisher {
    pub fn new() -> (Self, watch::Receiver<News>) {
        let (sender, news) = watch::channel(News::default());
        (Self(Arc::new(sender)), news)
    }

    pub fn publish(&self, notices: Vec<Notice>) {
        if !notices.is_empty() {
            self.0.send_modify(|news| notices.into_iter().for_each(|notice| news.take(notice)));
        }
    }

    pub fn reporter(&self) -> Reporter {
        Reporter(Arc::downgrade(&self.0))
    }
}

/// Publishes notices for everybody but the writer. Does not keep the channel open.
#[derive(Clone)]
pub(super) struct Reporter(Weak<watch::Sender<News>>);

impl Reporter {
    pub fn publish(&self, notice: Notice) {
        if let Some(sender) = self.0.upgrade() {
            sender.send_modify(|news| news.take(notice));
        }
    }
}

/// While it is held, [`News::spread`] is kept up to date.
pub struct Following(Reporter);

impl Following {
    pub(super) fn new(reporter: Reporter) -> Self {
        reporter.publish(Notice::Follower);
        Self(reporter)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.publish(Notice::FollowerGone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_kept_only_while_somebody_follows_it() {
        let (publisher, news) = Publisher::new();
        let reporter = publisher.reporter();
        reporter.publish(Notice::Spread(Spread::default()));
        assert!(news.borrow().spread.is_none());
        let (first, second) = (Following::new(reporter.clone()), Following::new(reporter.clone()));
        reporter.publish(Notice::Spread(Spread::default()));
        drop(first);
        assert!(news.borrow().spread.is_some());
        drop(second);
        assert!(news.borrow().spread.is_none());
    }

    #[tokio::test]
    async fn who_watches_learns_of_each_kind_and_of_the_end() {
        let (publisher, mut news) = Publisher::new();
        let reporter = publisher.reporter();
        publisher.publish(vec![Notice::Entries, Notice::Entries, Notice::Peers]);
        reporter.publish(Notice::ReadMarks);
        let counted = |news: &News| (news.entries, news.read_marks, news.peers);
        assert_eq!(counted(&news.borrow_and_update()), (2, 1, 1));
        publisher.publish(vec![Notice::Restarted]);
        assert_eq!(counted(&news.borrow_and_update()), (3, 1, 2));
        publisher.publish(Vec::new());
        assert!(!news.has_changed().unwrap());
        drop(publisher);
        reporter.publish(Notice::Entries);
        assert!(news.changed().await.is_err());
    }
}
