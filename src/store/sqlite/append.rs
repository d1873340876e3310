//! Appends one admitted change to the log and updates everything derived from the log.

use peer_engine::group::{Admitted, EntryNo, GroupNo, Node};

use super::{SqliteStore, feed, index, log, shelf};
use crate::store::StoreError;

impl SqliteStore {
    pub(super) fn append_to_log(
        &mut self,
        group: GroupNo,
        admitted: &Admitted,
    ) -> Result<EntryNo, StoreError> {
        let Self { conn, groups, recent, own, words, stranded, by_hash, .. } = self;
        let held = groups.get_mut(&group).ok_or(StoreError::NoGroup(group))?;
        let key = held.key();
        let change = admitted.verified();
        let order = (admitted.eff(), change.hash());
        if admitted.deps().iter().any(|dep| dep.0 > held.row.entries) {
            return Err(StoreError::Dangling);
        }

        let next = EntryNo(held.row.entries + 1);
        let mut late = held.row.caught_up
            && change.author() != *own
            && held.newest_committed.is_some_and(|newest| order < newest);
        if stranded.any_in(group) {
            // Shown and read before, so it is not new.
            if held.newest >= Some(order) {
                shelf::read_on(conn, group, next)?;
            }
            if let Some((row, was_late)) = stranded.take(conn, by_hash, key, change)? {
                late = was_late;
                words.forget(conn, row, change.content())?;
            }
        }
        if let Some(no) = index::insert_entry(conn, group, next, order)? {
            // It was requested because it was not found by its hash.
            by_hash.insert(conn, log::row_id(group, no), &order.1)?;
            return Ok(no);
        }
        let actor_id = &change.header().actor;
        let actor = match recent.actor(group, actor_id) {
            Some(actor) => actor,
            None => match index::actor(conn, group, actor_id)? {
                Some(actor) => actor,
                None => index::add_actor(conn, group, actor_id)?,
            },
        };
        let position =
            log::Position { no: next, actor: actor.row, deps: admitted.deps(), eff: order.0, late };
        log::write(conn, key, change, &position)?;
        by_hash.push(conn, log::row_id(group, next), &order.1)?;
        feed::append(conn, group, next)?;
        let content = change.content();
        let seq = change.header().seq;
        let written = index::Written { no: next, hash: order.1, eff: order.0, actor_id, actor, seq, content };
        if let Some(actor) = index::derive(conn, key, &written)? {
            recent.set_actor(group, *actor_id, actor);
        }
        let (max_op, deps) = (change.max_op(), admitted.deps().to_vec());
        let node = Node { no: next, hash: order.1, actor: Some(*actor_id), seq, max_op, eff: order.0, deps };
        recent.push(group, node);

        held.row.entries = next.0;
        held.row.heads.retain(|head| !admitted.deps().contains(head));
        held.row.heads.push(next);
        held.newest = held.newest.max(Some(order));
        held.changed = true;
        words.push(conn, log::row_id(group, next), content)?;
        Ok(next)
    }
}
