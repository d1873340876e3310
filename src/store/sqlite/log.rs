//! The change log: rows from which the exact bytes of the changes are rebuilt. A change is served only if it
//! matches its hash.

use peer_engine::change::{Body, Change, Content, Header, Verified};
use peer_engine::group::{EntryNo, GroupNo, Node};
use peer_engine::id::{ActorId, ChangeHash, GroupId};
use peer_engine::time::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::store::StoreError;

/// An entry's place in the order of display, the key of a history.
pub(super) type OrderKey = (i64, ChangeHash);

const NO_BITS: u32 = 40;
const NO_MAX: u64 = (1 << NO_BITS) - 1;
/// Maximum number of an entry of the log. Stranded entries have larger numbers.
pub(super) const LAST: EntryNo = EntryNo((1 << (NO_BITS - 1)) - 1);
/// Largest group number whose rows still fit a row id.
pub(super) const GROUP_NO_MAX: u32 = (1 << (63 - NO_BITS)) - 1;

/// What the log needs to know of a group: its number in row ids, and the id that its first entries depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupRef {
    pub no: GroupNo,
    pub id: GroupId,
}

/// A change read from its row, and checked.
#[derive(Debug)]
pub(super) struct Stored {
    pub no: EntryNo,
    pub hash: ChangeHash,
    pub change: Change,
    pub bytes: Vec<u8>,
    pub eff: i64,
    /// The effective time that follows from those of its dependencies. No hash covers it.
    pub eff_follows: i64,
    pub late: bool,
}

/// What a row holds of a change besides the change itself.
pub(super) struct Position<'a> {
    pub no: EntryNo,
    pub actor: i64,
    pub deps: &'a [EntryNo],
    pub eff: i64,
    pub late: bool,
}

/// A group's log is contiguous, in the order of arrival.
pub(super) fn row_id(group: GroupNo, no: EntryNo) -> i64 {
    (i64::from(group.0) << NO_BITS) | no.0.min(NO_MAX) as i64
}

pub(super) fn group_of(row_id: i64) -> GroupNo {
    GroupNo((row_id >> NO_BITS) as u32)
}

pub(super) fn no_of(row_id: i64) -> EntryNo {
    EntryNo(row_id as u64 & NO_MAX)
}

/// Whether the entry is stranded: stored and shown, but not part of the log yet.
pub(super) fn is_stranded(no: EntryNo) -> bool {
    no > LAST
}

/// Writes a new row. A stranded entry needs no numbers of its dependencies.
pub(super) fn write(
    conn: &Connection,
    group: GroupRef,
    change: &Verified,
    position: &Position<'_>,
) -> rusqlite::Result<()> {
    let (header, content) = (change.header(), change.content());
    let mut statement = conn.prepare_cached(
        "INSERT INTO log
         (id, late, seq, max_op, eff, hash, actor, deps, at, kind, re, sender, signature, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    let deps = match is_stranded(position.no) {
        true => header.deps.iter().flat_map(|dep| dep.0).collect(),
        false => encode_deps(position.no, position.deps),
    };
    let body = match &content.body {
        Body::Text(text) => ValueRef::Text(text.as_bytes()),
        Body::Sealed(bytes) => ValueRef::Blob(bytes),
    };
    statement.execute(params![
        row_id(group.no, position.no),
        position.late,
        header.seq as i64,
        change.max_op() as i64,
        position.eff,
        change.hash().as_bytes(),
        position.actor,
        deps,
        content.at.millis(),
        content.kind,
        content.re.as_ref().map(ChangeHash::as_bytes),
        content.from,
        change.change().signature,
        rusqlite::types::ToSqlOutput::Borrowed(body),
    ])?;
    Ok(())
}

pub(super) fn remove(conn: &Connection, group: GroupNo, no: EntryNo) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM log WHERE id = ?1")?.execute([row_id(group, no)])?;
    Ok(())
}

/// Whether the row says that its entry arrived late; false if there is no row.
pub(super) fn is_late(conn: &Connection, group: GroupRef, no: EntryNo) -> rusqlite::Result<bool> {
    let mut statement = conn.prepare_cached("SELECT late FROM log WHERE id = ?1")?;
    let late = statement.query_row([row_id(group.no, no)], |row| row.get(0)).optional()?;
    Ok(late.unwrap_or(false))
}

pub(super) fn set_late(conn: &Connection, group: GroupNo, no: EntryNo, late: bool) -> rusqlite::Result<()> {
    let mut update = conn.prepare_cached("UPDATE log SET late = ?2 WHERE id = ?1 AND late <> ?2")?;
    update.execute(params![row_id(group, no), late])?;
    Ok(())
}

/// The effective time in the row.
pub(super) fn eff(conn: &Connection, group: GroupNo, no: EntryNo) -> Result<Option<i64>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT eff FROM log WHERE id = ?1")?;
    let eff = statement.query_row([row_id(group, no)], |row| row.get(0)).optional();
    eff.map_err(StoreError::of_row(group, no))
}

/// The number of the entry that arrived last.
pub(super) fn last(conn: &Connection, group: GroupNo) -> rusqlite::Result<EntryNo> {
    let mut statement =
        conn.prepare_cached("SELECT id FROM log WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1")?;
    let (from, to) = (row_id(group, EntryNo::GENESIS), row_id(group, LAST));
    let last = statement.query_row([from, to], |row| row.get(0)).optional()?;
    Ok(last.map_or(EntryNo::GENESIS, no_of))
}

pub(super) fn node(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<Option<Node>, StoreError> {
    if no == EntryNo::GENESIS {
        return Ok(Some(Node::genesis(group.id)));
    }
    if no > LAST {
        return Ok(None);
    }
    let mut statement = conn.prepare_cached(
        "SELECT log.id, hash, bytes, seq, max_op, eff, deps
         FROM log JOIN actor ON actor.id = log.actor WHERE log.id = ?1",
    )?;
    let mut rows = statement.query([row_id(group.no, no)])?;
    rows.next()?.map(|row| node_of(group, row)).transpose()
}

/// Sorted by number, largest first, the genesis last.
pub(super) fn nodes_below(
    conn: &Connection,
    group: GroupRef,
    below: EntryNo,
    limit: usize,
) -> Result<Vec<Node>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT log.id, hash, bytes, seq, max_op, eff, deps
         FROM log JOIN actor ON actor.id = log.actor
         WHERE log.id > ?1 AND log.id < ?2 ORDER BY log.id DESC LIMIT ?3",
    )?;
    let base = row_id(group.no, EntryNo::GENESIS);
    let below = row_id(group.no, below.min(EntryNo(LAST.0 + 1)));
    let mut rows = statement.query(params![base, below, limit as i64])?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        nodes.push(node_of(group, row)?);
    }
    if nodes.len() < limit && below > base {
        nodes.push(Node::genesis(group.id));
    }
    Ok(nodes)
}

fn node_of(group: GroupRef, row: &Row<'_>) -> Result<Node, StoreError> {
    let no = no_of(row.get(0)?);
    let shape = StoreError::of_row(group.no, no);
    Ok(Node {
        no,
        hash: ChangeHash(row.get(1).map_err(&shape)?),
        actor: Some(ActorId(row.get(2).map_err(&shape)?)),
        seq: row.get::<_, i64>(3).map_err(&shape)? as u64,
        max_op: row.get::<_, i64>(4).map_err(&shape)? as u64,
        eff: row.get(5).map_err(&shape)?,
        deps: decode_deps(
            group.no,
            no,
            row.get_ref(6)?.as_blob().map_err(rusqlite::Error::from).map_err(&shape)?,
        )?,
    })
}

pub(super) fn hash(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<ChangeHash, StoreError> {
    Ok(key(conn, group, no)?.0)
}

/// The hash and the effective time in the row.
fn key(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<(ChangeHash, i64), StoreError> {
    if no == EntryNo::GENESIS {
        return Ok((group.id.genesis(), 0));
    }
    let mut statement = conn.prepare_cached("SELECT hash, eff FROM log WHERE id = ?1")?;
    let found = statement
        .query_row([row_id(group.no, no)], |row| Ok((ChangeHash(row.get(0)?), row.get(1)?)))
        .optional();
    let gone = StoreError::Row { group: group.no, no, reason: "its row is missing" };
    found.map_err(StoreError::of_row(group.no, no))?.ok_or(gone)
}

/// The numbers of the dependencies in the row; empty if they cannot be read, or are stored as hashes.
pub(super) fn deps(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<Vec<EntryNo>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT deps FROM log WHERE id = ?1")?;
    let bytes: Option<Vec<u8>> = statement.query_row([row_id(group.no, no)], |row| row.get(0)).optional()?;
    let bytes = bytes.filter(|_| !is_stranded(no)).unwrap_or_default();
    Ok(decode_deps(group.no, no, &bytes).unwrap_or_default())
}

/// Reads a change, rebuilds its bytes and compares them with its hash.
pub(super) fn read(conn: &Connection, group: GroupRef, no: EntryNo) -> Result<Option<Stored>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT late, eff, hash, bytes, seq, max_op, deps, at, kind, re, sender, signature, body
         FROM log JOIN actor ON actor.id = log.actor WHERE log.id = ?1",
    )?;
    let mut rows = statement.query([row_id(group.no, no)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let shape = StoreError::of_row(group.no, no);
    let damaged = |reason| StoreError::Row { group: group.no, no, reason };

    let hash = ChangeHash(row.get(2).map_err(&shape)?);
    let deps = row.get_ref(6)?.as_blob().map_err(rusqlite::Error::from).map_err(&shape)?;
    let (late, eff) = (row.get(0).map_err(&shape)?, row.get(1).map_err(&shape)?);
    let mut below = Vec::new();
    let mut eff_follows = eff;
    if is_stranded(no) {
        below = hashes(deps);
    } else {
        eff_follows = 0;
        for dep in decode_deps(group.no, no, deps)? {
            let (hash, eff) = key(conn, group, dep)?;
            below.push(hash);
            eff_follows = eff_follows.max(eff.saturating_add(1));
        }
    }
    let content = content(row).map_err(&shape)?.ok_or_else(|| damaged("its time is out of range"))?;
    let max_op = row.get::<_, i64>(5).map_err(&shape)? as u64;
    let start_op = max_op
        .checked_add(1)
        .and_then(|end| end.checked_sub(content.op_count()))
        .ok_or_else(|| damaged("its counter is too small"))?;
    eff_follows = eff_follows.max(content.at.millis());
    let header = Header {
        deps: below,
        actor: ActorId(row.get(3).map_err(&shape)?),
        seq: row.get::<_, i64>(4).map_err(&shape)? as u64,
        start_op,
    };
    let change = Change { header, content, signature: row.get(11).map_err(&shape)? };
    let (rebuilt, bytes) = change.encode_hashed();
    if rebuilt != hash {
        return Err(damaged("it does not match its hash"));
    }
    Ok(Some(Stored { no, hash, change, bytes, eff, eff_follows, late }))
}

/// `None` when the value is not a valid time.
fn content(row: &Row<'_>) -> rusqlite::Result<Option<Content>> {
    let Some(at) = Timestamp::from_millis(row.get(7)?) else { return Ok(None) };
    let body = match row.get_ref(12)? {
        ValueRef::Blob(bytes) => Body::Sealed(bytes.to_vec()),
        _ => Body::Text(row.get(12)?),
    };
    let re = row.get::<_, Option<[u8; 32]>>(9)?.map(ChangeHash);
    Ok(Some(Content { at, kind: row.get(8)?, body, re, from: row.get(10)? }))
}

/// Each dependency as its distance, in groups of seven bits, the lowest first.
pub(super) fn encode_deps(no: EntryNo, deps: &[EntryNo]) -> Vec<u8> {
    let mut out = Vec::with_capacity(deps.len() * 2);
    for dep in deps {
        write_number(no.0 - dep.0, &mut out);
    }
    out
}

fn decode_deps(group: GroupNo, no: EntryNo, bytes: &[u8]) -> Result<Vec<EntryNo>, StoreError> {
    let below = |distance: u64| if distance == 0 { None } else { no.0.checked_sub(distance).map(EntryNo) };
    read_numbers(bytes)
        .and_then(|distances| distances.into_iter().map(below).collect())
        .ok_or(StoreError::Row { group, no, reason: "its dependencies are not readable" })
}

/// The dependencies of a stranded entry: full hashes, since some of them have no number here.
pub(super) fn hashes(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes.chunks(ChangeHash::BYTES).filter_map(ChangeHash::from_slice).collect()
}

/// Heads as they are stored with their group.
pub(super) fn encode_heads(heads: &[EntryNo]) -> Vec<u8> {
    let mut out = Vec::with_capacity(heads.len() * 3);
    for head in heads {
        write_number(head.0, &mut out);
    }
    out
}

pub(super) fn decode_heads(bytes: &[u8]) -> Result<Vec<EntryNo>, StoreError> {
    let heads = read_numbers(bytes).map(|numbers| numbers.into_iter().map(EntryNo).collect());
    heads.ok_or_else(|| StoreError::Damaged { reason: "a group's heads are not readable".to_owned() })
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_numbers(bytes: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let (mut number, mut shift) = (0u64, 0);
    for &byte in bytes {
        if shift > 56 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            numbers.push(number);
            (number, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}
