//! Rebuilds entries from the records found: with one of several candidate hashes or actors, or from an older
//! version of a row. Each result is verified.

use peer_engine::change::{Unverified, Verified};
use peer_engine::group::{EntryNo, GroupNo};
use peer_engine::id::ChangeHash;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params};

use super::super::log::{self, GroupRef};
use super::found::{Found, put};
use crate::store::StoreError;

/// A change, whether it was late, and the effective time in its row.
pub(super) type Whole = (Verified, bool, i64);

impl Found {
    /// The change in this row, whether it was late, and the effective time in the row, if the change matches
    /// the hash in the row or in the display order, or if an older version of the row does. Otherwise the row
    /// keeps the likelier hash, for entries that depend on it.
    pub fn read_by_any_hash(&mut self, group: GroupRef, no: EntryNo) -> Result<Option<Whole>, StoreError> {
        if let Some(found) = self.read(group, no)? {
            return Ok(Some(found));
        }
        let id = log::row_id(group.no, no);
        let in_row = log::hash(&self.tables, group, no).ok();
        if let Some(found) = self.read_by_doubtful(group, no)? {
            return Ok(Some(found));
        }
        let actor: Option<i64> = self
            .tables
            .query_row("SELECT actor FROM log WHERE id = ?1", [id], |row| row.get(0))
            .optional()?;
        let by_order = self.in_order(group.no, no)?.map(|(_, hash)| hash);
        if let Some(hash) = by_order {
            self.set_hash(id, &hash)?;
            if let Some(found) = self.read(group, no)? {
                return Ok(Some(found));
            }
        }
        if let Some(actor) = actor {
            // The actor in the row or the one in the index is right.
            self.swap_actor(group.no, actor)?;
            if let Some(found) = self.read(group, no)? {
                return Ok(Some(found));
            }
            self.swap_actor(group.no, actor)?;
        }
        let found = self.read_older(group, no, by_order)?;
        if let (None, Some(by_order), Some(in_row)) = (&found, by_order, in_row)
            && by_order != in_row
        {
            self.doubtful.insert(id, in_row);
        }
        Ok(found)
    }

    /// A dependency may be a row with two candidate hashes: tries the other one.
    fn read_by_doubtful(&mut self, group: GroupRef, no: EntryNo) -> Result<Option<Whole>, StoreError> {
        if self.doubtful.is_empty() {
            return Ok(None);
        }
        for dep in log::deps(&self.tables, group, no)? {
            let id = log::row_id(group.no, dep);
            let Some(other) = self.doubtful.get(&id).copied() else { continue };
            let current = log::hash(&self.tables, group, dep)?;
            self.set_hash(id, &other)?;
            if let Some(found) = self.read(group, no)? {
                self.doubtful.remove(&id);
                return Ok(Some(found));
            }
            self.set_hash(id, &current)?;
        }
        Ok(None)
    }

    fn swap_actor(&mut self, group: GroupNo, actor: i64) -> Result<(), StoreError> {
        let Some(other) = self.others.remove(&actor) else { return Ok(()) };
        let mut statement = self.tables.prepare_cached("SELECT bytes FROM actor WHERE id = ?1")?;
        let held: Option<Vec<u8>> = statement.query_row([actor], |row| row.get(0)).optional()?;
        self.others.insert(actor, held.unwrap_or_default());
        self.tables
            .prepare_cached(
                "INSERT OR REPLACE INTO actor (id, grp, bytes, last_seq, last_no) VALUES (?1, ?2, ?3, 0, 0)",
            )?
            .execute(params![actor, group.0, other])?;
        Ok(())
    }

    fn read_older(
        &mut self,
        group: GroupRef,
        no: EntryNo,
        by_order: Option<ChangeHash>,
    ) -> Result<Option<Whole>, StoreError> {
        let id = log::row_id(group.no, no);
        let mut statement =
            self.tables.prepare_cached("SELECT rowid FROM older WHERE id = ?1 ORDER BY rowid")?;
        let versions = statement.query_map([id], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        let newest = log::hash(&self.tables, group, no).ok();
        for version in versions {
            let replace = "INSERT OR REPLACE INTO log SELECT * FROM older WHERE rowid = ?1";
            put(&self.tables, replace, &[Value::Integer(version)])?;
            if let Some(found) = self.read(group, no)? {
                return Ok(Some(found));
            }
        }
        if let Some(hash) = by_order.or(newest) {
            self.set_hash(id, &hash)?;
        }
        Ok(None)
    }

    pub fn read(&self, group: GroupRef, no: EntryNo) -> Result<Option<Whole>, StoreError> {
        let rebuilt = self.rebuilt(group, no)?;
        Ok(rebuilt.and_then(|(change, late, eff)| Some((change.verify(group.id).ok()?, late, eff))))
    }

    /// Whether the change matches its hash.
    pub fn rebuilt(
        &self,
        group: GroupRef,
        no: EntryNo,
    ) -> Result<Option<(Unverified, bool, i64)>, StoreError> {
        match log::read(&self.tables, group, no) {
            Ok(stored) => Ok(stored
                .and_then(|stored| Some((Unverified::decode(&stored.bytes).ok()?, stored.late, stored.eff)))),
            Err(StoreError::Row { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
