//! Keeps [`News::spread`] up to date.
//!
//! It is looked up once for all followers, only while there are followers, and only after something changed.
//! The engine flushes before it answers, so it is asked no more often than people can perceive.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::{ChangeHash, GroupName};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::error::NodeError;
use super::news::{News, Notice, OwnMessage, Reporter, Spread};
use super::{Inner, Node};
use crate::limits::{EVENT_LOOK_MS, OWN_RECENT_MAX};

/// Runs until the node stops.
pub(super) async fn observe(node: Weak<Inner>, mut news: watch::Receiver<News>, reporter: Reporter) {
    let mut looked = (0, 0);
    let is_wanted = |news: &News| news.followers > 0 && news.spread.is_none();
    loop {
        let is_due =
            move |news: &News| is_wanted(news) || news.followers > 0 && (news.entries, news.peers) != looked;
        match news.wait_for(is_due).await {
            Ok(news) => looked = (news.entries, news.peers),
            Err(_) => return,
        }
        let Some(inner) = node.upgrade() else { return };
        let pause = Duration::from_millis(EVENT_LOOK_MS);
        match Node(inner).spread().await {
            Ok(spread) => {
                reporter.publish(Notice::Spread(spread));
                // A new follower gets its first value at once.
                let _ = timeout(pause, news.wait_for(is_wanted)).await;
            }
            Err(error) => {
                tracing::debug!("cannot look at the links: {error}");
                sleep(pause).await;
            }
        }
    }
}

impl Node {
    async fn spread(&self) -> Result<Spread, NodeError> {
        let engine = self.ask(|engine, now| engine.status(now)).await?;
        let own = self.peer();
        let (names, recent) = self
            .read(move |reader| Ok((reader.held_groups()?, reader.recent_of(&own, OWN_RECENT_MAX)?)))
            .await?;
        let names: BTreeMap<GroupNo, GroupName> = names.into_iter().map(|row| (row.no, row.name)).collect();
        let mut spread = Spread { own: self.own_messages(recent).await?, ..Spread::default() };
        for link in &engine.links {
            spread.connected.insert(link.peer);
            for behind in &link.behind {
                let Some(name) = names.get(&behind.group) else { continue };
                if behind.here > 0 {
                    spread.behind.insert(name.clone());
                }
                if behind.there != Some(0) {
                    spread.ahead.insert(name.clone());
                }
            }
        }
        Ok(spread)
    }

    async fn own_messages(
        &self,
        recent: Vec<(GroupNo, GroupName, EntryNo, ChangeHash)>,
    ) -> Result<Vec<OwnMessage>, NodeError> {
        let mut by_group: BTreeMap<GroupNo, (GroupName, Vec<ChangeHash>)> = BTreeMap::new();
        for (group, name, _, id) in recent {
            by_group.entry(group).or_insert_with(|| (name, Vec::new())).1.push(id);
        }
        let mut own = Vec::new();
        for (group, (name, ids)) in by_group {
            let found = self.stored_on(group, &ids, Duration::ZERO).await?;
            let messages = ids.into_iter().zip(found);
            own.extend(messages.map(|(id, stored_on)| OwnMessage {
                group,
                name: name.clone(),
                id,
                stored_on,
            }));
        }
        Ok(own)
    }
}
