//! Makes a sound database from a damaged one, with every change that can still be read and matches its hash
//! and its signature. Each change passes the gate again, in its order of arrival, so that the new log has no
//! gaps and everything derived is computed again. Changes whose ancestors are lost are kept and shown as
//! [stranded](super::stranded); other peers send the lost ones as if this peer had never had them.

mod found;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use peer_engine::change::{Genesis, Verified};
use peer_engine::group::{EntryNo, GroupNo, Verdict, admit};
use peer_engine::id::{GroupName, MeshId, PeerId};
use peer_engine::kinds;
use peer_engine::store::Store;
use rusqlite::{OptionalExtension, params};

use self::found::Found;
use super::by_hash;
use super::carve::Bytes;
use super::log::{self, GroupRef};
use super::{SqliteStore, schema};
use crate::store::StoreError;

/// What was recovered from a damaged database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Entries that were copied.
    pub entries: u64,
    /// Those of them that are stranded: only shown until their lost ancestors have come back.
    pub stranded: u64,
}

/// Number of entries examined to find out which group they belong to.
const PROBES: i64 = 200;

impl SqliteStore {
    /// Makes a new database at `path` from the pages in `file` and its write-ahead log, which are only read.
    /// On success the new file is complete, but not flushed; after an error it is unusable.
    pub fn salvage<'a>(
        file: &'a mut dyn Bytes,
        wal: Option<&'a mut dyn Bytes>,
        path: &Path,
        own: PeerId,
        mesh: MeshId,
    ) -> Result<Salvaged, StoreError> {
        let mut store = Self::open(path, own)?;
        schema::write_without_log(&store.conn)?;
        store.begin()?;
        let mut found = Found::open()?;
        found.collect(&store.conn, file, wal)?;
        found.recall_own_actor(&store.conn)?;
        let mut salvage = Salvage { store, found, done: Salvaged::default() };
        salvage.check_small_things()?;
        salvage.groups(mesh)?;
        let Salvage { mut store, done, .. } = salvage;
        store.by_hash.write(&store.conn)?;
        // Places in the old feed are not valid in the new one.
        store.conn.execute_batch(
            "DELETE FROM feed;
             DELETE FROM read_mark WHERE grp NOT IN (SELECT no FROM grp);
             DELETE FROM sent WHERE NOT EXISTS (SELECT 1
                 FROM (SELECT * FROM by_hash_recent UNION ALL SELECT * FROM by_hash) JOIN log ON id = log
                 WHERE beginning = substr(sent.hash, 1, 8) AND log.hash = sent.hash);",
        )?;
        // Stranded entries are not in the feed.
        store.words.index(&store.conn)?;
        store.commit()?;
        schema::check_without_log(&store.conn)?;
        Ok(done)
    }

    /// Stores a change read from a damaged database, with its late mark and the effective time `shown` of its
    /// display.
    fn take_again(
        &mut self,
        group: GroupRef,
        change: Verified,
        late: bool,
        shown: i64,
        done: &mut Salvaged,
    ) -> Result<(), StoreError> {
        let mut judged = vec![(change, late)];
        while let Some((change, late)) = judged.pop() {
            let hash = change.hash();
            self.by_hash.write(&self.conn)?;
            match admit(self, group.no, change)? {
                Verdict::Admitted(admitted) => {
                    let was_stranded =
                        self.stranded.any_in(group.no) && by_hash::find(&self.conn, group, &hash)?.is_some();
                    let no = self.append(group.no, &admitted)?;
                    if was_stranded {
                        done.stranded -= 1;
                    } else {
                        done.entries += 1;
                        log::set_late(&self.conn, group.no, no, late)?;
                    }
                    judged
                        .extend(self.released_by(group.no, &hash)?.into_iter().map(|change| (change, late)));
                }
                Verdict::Waiting(change, _) if by_hash::find(&self.conn, group, &hash)?.is_none() => {
                    self.strand(group, &change, late, shown)?;
                    done.entries += 1;
                    done.stranded += 1;
                }
                // It is stored already, or no peer would ever have accepted it.
                _ => {}
            }
        }
        Ok(())
    }

    fn strand(
        &mut self,
        group: GroupRef,
        change: &Verified,
        late: bool,
        shown: i64,
    ) -> Result<(), StoreError> {
        let mut eff = shown.max(change.content().at.millis());
        for dep in &change.header().deps {
            if let Some(no) = by_hash::find(&self.conn, group, dep)?.filter(|no| *no != EntryNo::GENESIS) {
                eff = log::eff(&self.conn, group.no, no)?.map_or(eff, |below| eff.max(below + 1));
            }
        }
        let row = self.stranded.add(&self.conn, &mut self.by_hash, group, change, eff, late)?;
        self.words.push(&self.conn, row, change.content())?;
        let held = self.held(group.no)?;
        held.newest = held.newest.max(Some((eff, change.hash())));
        Ok(())
    }
}

struct Salvage {
    store: SqliteStore,
    found: Found,
    done: Salvaged,
}

impl Salvage {
    /// Records that no hash covers are kept only if they have the right shape.
    fn check_small_things(&self) -> Result<(), StoreError> {
        let conn = &self.store.conn;
        conn.execute_batch(
            "DELETE FROM peer WHERE length(key) <> 32;
             -- The next writer is a new actor: what an old one last wrote may be lost. The new index of hashes is whole.
             DELETE FROM value WHERE key LIKE 'writer/%' OR key IN ('owner', 'by_hash');",
        )?;
        for peer in super::shelf::peers(conn)? {
            if !peer.addresses.iter().all(|address| peer_engine::wire::address::check(address).is_ok()) {
                super::shelf::remove_peer(conn, &peer.key)?;
            }
        }
        Ok(())
    }

    /// The directory first, since it names the others.
    fn groups(&mut self, mesh: MeshId) -> Result<(), StoreError> {
        let directory = Genesis::public(mesh, GroupName::directory());
        let mut known = self.found.held(mesh)?;
        let mut unknown: BTreeSet<GroupNo> = self.found.numbers()?;
        unknown.retain(|no| !known.contains_key(no));
        if !known.values().any(|genesis| *genesis == directory) {
            self.recognise(&mut unknown, &mut known, &directory)?;
        }
        let first = known.iter().find(|(_, genesis)| **genesis == directory).map(|(no, _)| *no);
        if let Some(no) = first {
            self.carry_over(no, &directory)?;
        }
        for name in self.names()? {
            let genesis = Genesis::public(mesh, name);
            if !known.values().any(|other| *other == genesis) {
                self.recognise(&mut unknown, &mut known, &genesis)?;
            }
        }
        for (no, genesis) in known.iter().filter(|(no, _)| Some(**no) != first) {
            self.carry_over(*no, genesis)?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<GroupName>, StoreError> {
        let mut statement = self.store.conn.prepare("SELECT DISTINCT key FROM register WHERE slot = ?1")?;
        let keys = statement.query_map([kinds::group::GROUP], |row| row.get::<_, Vec<u8>>(0))?;
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        Ok(keys.iter().filter_map(|key| std::str::from_utf8(key).ok()?.parse().ok()).collect())
    }

    /// A group whose own row is lost is identified by the group that its entries are signed for.
    fn recognise(
        &mut self,
        unknown: &mut BTreeSet<GroupNo>,
        known: &mut BTreeMap<GroupNo, Genesis>,
        genesis: &Genesis,
    ) -> Result<(), StoreError> {
        for no in unknown.clone() {
            let group = GroupRef { no, id: genesis.id() };
            for entry in self.found.candidates(no, EntryNo::GENESIS, PROBES)? {
                let Some((change, ..)) = self.found.rebuilt(group, entry)? else { continue };
                // An entry that can be rebuilt is signed for exactly one group.
                if change.verify(group.id).is_ok() {
                    unknown.remove(&no);
                    known.insert(no, genesis.clone());
                    return Ok(());
                }
                break;
            }
        }
        Ok(())
    }

    /// Copies the entries of the group in the order of arrival.
    fn carry_over(&mut self, no: GroupNo, genesis: &Genesis) -> Result<(), StoreError> {
        let group = GroupRef { no, id: genesis.id() };
        self.add_group(no, genesis)?;
        self.found.fill_from_order(no)?;
        let mark = super::shelf::read_mark(&self.store.conn, no)?;
        let (mut after, mut last, mut read, mut end) =
            (EntryNo::GENESIS, EntryNo::GENESIS, EntryNo::GENESIS, false);
        while !end {
            let batch = self.found.candidates(no, after, 1000)?;
            end = batch.is_empty();
            for entry in batch {
                after = entry;
                if !log::is_stranded(entry) {
                    last = entry;
                }
                let Some((change, late, eff)) = self.found.read_by_any_hash(group, entry)? else { continue };
                let shown = self.found.shown_at(no, entry, eff, &change)?;
                self.store.take_again(group, change, late, shown, &mut self.done)?;
                if entry <= mark {
                    read = EntryNo(self.store.held(no)?.row.entries);
                }
            }
        }
        if mark > EntryNo::GENESIS {
            // If all was read, stranded entries count as read when they are back.
            let all = mark >= last || !self.store.stranded.any_in(no);
            let read = if all { read.0 } else { read.0.saturating_sub(1) };
            super::shelf::set_read_mark(&self.store.conn, no, EntryNo(read))?;
        }
        Ok(())
    }

    /// Keeps the group's number, since other records refer to it.
    fn add_group(&mut self, no: GroupNo, genesis: &Genesis) -> Result<(), StoreError> {
        let states: Option<(bool, bool)> = self
            .found
            .tables
            .query_row(
                "SELECT joined, caught_up FROM grp WHERE no = ?1 AND id = ?2",
                params![no.0, &genesis.id().0[..]],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (joined, caught_up) = states.unwrap_or((true, true));
        self.store.conn.execute(
            "INSERT INTO grp (no, id, name, genesis, joined, caught_up, entries, heads)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
            params![
                no.0,
                &genesis.id().0[..],
                genesis.name.as_str(),
                genesis.bytes(),
                joined,
                caught_up,
                log::encode_heads(&[EntryNo::GENESIS])
            ],
        )?;
        self.store.hold_group(no)
    }
}
