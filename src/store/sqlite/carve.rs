//! Reads records directly from the pages of a database that SQLite cannot traverse any more: each leaf by
//! itself, even if the pages above it are damaged. Records may be old, duplicate or wrong; the caller must
//! check them.
//!
//! Implements the parts of <https://www.sqlite.org/fileformat2.html> that it needs: leaves, records and
//! chains of overflow pages.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use rusqlite::types::Value;

const WAL_HEADER: u64 = 32;
const FRAME_HEADER: usize = 24;
/// More columns than any row has.
const COLUMNS_MAX: usize = 64;

/// One row of a table, or one entry of an index or of a table without row ids.
#[derive(Debug, PartialEq)]
pub(super) struct Record {
    pub rowid: Option<i64>,
    pub values: Vec<Value>,
}

/// A file that can be read at any offset.
pub trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

/// The pages of a database and of its write-ahead log.
pub(super) struct Pages<'a> {
    file: &'a mut dyn Bytes,
    log: Option<&'a mut dyn Bytes>,
    size: usize,
    count: u32,
    /// The offset of each frame's page in the log, the newest last.
    frames: Vec<(u32, u64)>,
    latest: BTreeMap<u32, u64>,
    /// Whether any page could be read, and the error of one that could not.
    any_read: bool,
    failed: Option<io::Error>,
}

impl<'a> Pages<'a> {
    /// `size` is the size of a page in bytes; the one in the file's header may be damaged too.
    pub fn open(
        file: &'a mut dyn Bytes,
        mut log: Option<&'a mut dyn Bytes>,
        size: usize,
    ) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let count = u32::try_from(length.div_ceil(size as u64)).unwrap_or(u32::MAX);
        let (mut frames, mut latest) = (Vec::new(), BTreeMap::new());
        if let Some(log) = log.as_deref_mut() {
            let end = log.seek(SeekFrom::End(0))?;
            let current = [WAL_HEADER - 16, WAL_HEADER + 8].map(|at| read_at(log, at, 8).unwrap_or_default());
            // Frames left behind the end of a restarted log are older than those before it.
            let (mut left, mut of_now) = (Vec::new(), Vec::new());
            let mut at = WAL_HEADER;
            while at + (FRAME_HEADER + size) as u64 <= end {
                let content = at + FRAME_HEADER as u64;
                if let Ok(header) = read_at(log, at, FRAME_HEADER) {
                    let is_of_now = current.iter().any(|age| header[8..16] == age[..]);
                    if is_of_now { &mut of_now } else { &mut left }
                        .push((u32_at(&header, 0).unwrap_or_default(), content));
                }
                at = content + size as u64;
            }
            frames = [left, of_now].concat();
            latest = frames.iter().copied().collect();
        }
        Ok(Self { file, log, size, count, frames, latest, any_read: false, failed: None })
    }

    /// Returns every record that can be recognized, the newest version of a page first. A page that the disk
    /// cannot read is lost like any damaged one; it is an error if no page can be read.
    pub fn records<E: From<io::Error>>(
        &mut self,
        mut take: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        for (number, at) in self.frames.clone().into_iter().rev() {
            let page = self.in_log(at);
            self.leaf(number, &page, &mut take)?;
        }
        for number in 1..=self.count {
            let page = self.in_file(number);
            self.leaf(number, &page, &mut take)?;
        }
        match self.failed.take() {
            Some(error) if !self.any_read => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn in_file(&mut self, number: u32) -> Vec<u8> {
        let from = u64::from(number).saturating_sub(1) * self.size as u64;
        let page = read_at(self.file, from, self.size);
        self.or_lost(page)
    }

    fn in_log(&mut self, at: u64) -> Vec<u8> {
        let Some(log) = self.log.as_deref_mut() else { return vec![0; self.size] };
        let page = read_at(log, at, self.size);
        self.or_lost(page)
    }

    fn or_lost(&mut self, page: io::Result<Vec<u8>>) -> Vec<u8> {
        self.any_read |= page.is_ok();
        page.unwrap_or_else(|error| {
            self.failed = Some(error);
            vec![0; self.size]
        })
    }

    fn page(&mut self, number: u32) -> Vec<u8> {
        match self.latest.get(&number) {
            Some(&at) => self.in_log(at),
            None => self.in_file(number),
        }
    }

    fn leaf<E: From<io::Error>>(
        &mut self,
        number: u32,
        page: &[u8],
        take: &mut impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = if number == 1 { 100 } else { 0 };
        // In an index, or a table without row ids, inner pages hold entries too.
        let (is_table, pointers, child) = match page.get(start) {
            Some(0x0d) => (true, start + 8, 0),
            Some(0x0a) => (false, start + 8, 0),
            Some(0x02) => (false, start + 12, 4),
            _ => return Ok(()),
        };
        let cells = usize::from(u16_at(page, start + 3).unwrap_or(0)).min(self.size / 2);
        for cell in 0..cells {
            let Some(at) = u16_at(page, pointers + 2 * cell) else { break };
            if let Some(record) = self.cell(page, usize::from(at) + child, is_table) {
                take(record)?;
            }
        }
        Ok(())
    }

    fn cell(&mut self, page: &[u8], at: usize, is_table: bool) -> Option<Record> {
        let mut at = at;
        let length = varint(page, &mut at)?;
        let rowid = if is_table { Some(varint(page, &mut at)? as i64) } else { None };
        let payload = self.payload(page, at, length, is_table)?;
        Some(Record { rowid, values: values(&payload)? })
    }

    /// A record that does not fit its page continues on a chain of overflow pages.
    fn payload(&mut self, page: &[u8], at: usize, length: u64, is_table: bool) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|length| *length <= PAYLOAD_MAX)?;
        let usable = self.size;
        let most = if is_table { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
        let least = (usable - 12) * 32 / 255 - 23;
        let local = if length <= most {
            length
        } else {
            let fitting = least + (length - least) % (usable - 4);
            if fitting <= most { fitting } else { least }
        };
        let mut payload = page.get(at..at + local)?.to_vec();
        let mut next = if local < length { u32_at(page, at + local) } else { None };
        while payload.len() < length {
            let further = self.page(next.filter(|number| *number != 0)?);
            next = u32_at(&further, 0);
            let rest = (length - payload.len()).min(usable - 4);
            payload.extend_from_slice(&further[4..4 + rest]);
        }
        Some(payload)
    }
}

/// Whether a write-ahead log holds the end of a transaction behind its first `readable` frames, with the
/// log's current salt. Frames with another salt are left from before the log was restarted.
pub(super) fn commits_behind(log: &mut dyn Bytes, size: usize, readable: u64) -> io::Result<bool> {
    let end = log.seek(SeekFrom::End(0))?;
    let header = read_at(log, 0, WAL_HEADER as usize)?;
    let step = (FRAME_HEADER + size) as u64;
    let mut salts = header[16..24].to_vec();
    // An intact header may be all that was written after a restart.
    if !is_whole(&header) {
        salts = read_at(log, WAL_HEADER + 8, 8)?;
    }
    let mut at = WAL_HEADER + readable * step;
    while at + step <= end {
        let frame = read_at(log, at, FRAME_HEADER)?;
        if frame[8..16] == salts[..] && frame[4..8] != [0; 4] {
            return Ok(true);
        }
        at += step;
    }
    Ok(false)
}

/// Whether the checksum of a write-ahead log's header is right. Source: SQLite's file format, "Checksum
/// Algorithm".
fn is_whole(header: &[u8]) -> bool {
    let Some(magic) = u32_at(header, 0) else { return false };
    let word = |at| u32_at(header, at).map(|word| if magic & 1 == 1 { word } else { word.swap_bytes() });
    let (mut first, mut second) = (0u32, 0u32);
    for at in (0..24).step_by(8) {
        let (Some(one), Some(other)) = (word(at), word(at + 4)) else { return false };
        first = first.wrapping_add(one).wrapping_add(second);
        second = second.wrapping_add(other).wrapping_add(first);
    }
    (u32_at(header, 24), u32_at(header, 28)) == (Some(first), Some(second))
}

/// No row of ours is longer: the longest body and the columns beside it.
const PAYLOAD_MAX: usize = peer_engine::limits::CHANGE_BYTES_MAX + 4096;

fn read_at(file: &mut dyn Bytes, from: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    // The file may be truncated.
    bytes.resize(length, 0);
    Ok(bytes)
}

fn values(payload: &[u8]) -> Option<Vec<Value>> {
    let mut at = 0;
    let header = usize::try_from(varint(payload, &mut at)?).ok()?;
    let (types, mut content) = (payload.get(..header)?, payload.get(header..)?);
    let mut values = Vec::new();
    while at < header {
        if values.len() == COLUMNS_MAX {
            return None;
        }
        values.push(value(varint(types, &mut at)?, &mut content)?);
    }
    content.is_empty().then_some(values)
}

fn value(serial: u64, content: &mut &[u8]) -> Option<Value> {
    let mut take = |length: usize| content.split_off(..length);
    Some(match serial {
        0 => Value::Null,
        1..=6 => {
            let bytes = take([1, 2, 3, 4, 6, 8][serial as usize - 1])?;
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
            Value::Integer(bytes.iter().fold(sign, |number: i64, byte| (number << 8) | i64::from(*byte)))
        }
        7 => Value::Real(f64::from_be_bytes(take(8)?.try_into().ok()?)),
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        10 | 11 => return None,
        _ => {
            let bytes = take(usize::try_from((serial - 12) / 2).ok()?)?;
            match serial % 2 {
                0 => Value::Blob(bytes.to_vec()),
                _ => Value::Text(String::from_utf8(bytes.to_vec()).ok()?),
            }
        }
    })
}

/// A varint: big-endian, in groups of seven bits; the ninth byte counts with all eight.
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0u64;
    for place in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if place == 8 {
            return Some((number << 8) | u64::from(byte));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn carve(file: &[u8], log: Option<&[u8]>) -> Vec<Record> {
        let mut records = Vec::new();
        let mut file = Cursor::new(file);
        let mut log = log.map(Cursor::new);
        let mut pages = Pages::open(&mut file, log.as_mut().map(|log| log as &mut dyn Bytes), 4096).unwrap();
        let taken: io::Result<()> = pages.records(|record| {
            records.push(record);
            Ok(())
        });
        taken.unwrap();
        records
    }

    /// A disk that cannot read these pages.
    struct Broken<'a>(Cursor<&'a [u8]>, std::ops::Range<u64>);

    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let at = self.0.position();
            let touches = at / 4096 < self.1.end && (at + buffer.len() as u64).div_ceil(4096) > self.1.start;
            if touches { Err(io::Error::other("EIO")) } else { self.0.read(buffer) }
        }
    }

    impl Seek for Broken<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn pages_that_the_disk_does_not_give_are_lost_and_the_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             INSERT INTO t SELECT i, 'some text' FROM n; PRAGMA wal_checkpoint(TRUNCATE);
             UPDATE t SET a = 'other text' WHERE id = 1000;",
        )
        .unwrap();
        let (bytes, log) = (std::fs::read(&path).unwrap(), std::fs::read(dir.path().join("db-wal")).unwrap());
        let count = |lost: std::ops::Range<u64>| {
            let mut file = Broken(Cursor::new(&bytes), lost.clone());
            let mut log = Broken(Cursor::new(&log), lost);
            let mut pages = Pages::open(&mut file, Some(&mut log), 4096)?;
            let mut found = std::collections::BTreeSet::new();
            pages.records(|record| {
                found.extend(record.rowid);
                Ok::<_, io::Error>(())
            })?;
            Ok::<_, io::Error>(found.len())
        };
        assert_eq!(count(0..0).unwrap(), 1000);
        let left = count(3..4).unwrap();
        assert!((600..1000).contains(&left), "{left}");
        assert!(count(0..99).is_err());
    }

    #[test]
    fn what_sqlite_wrote_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)").unwrap();
        let long = "y".repeat(60_000);
        for number in 0..500i64 {
            let a = number.pow(5) * if number % 2 == 0 { 1 } else { -1 };
            let b = if number % 100 == 7 { long.as_str() } else { "short" };
            conn.execute("INSERT INTO t VALUES (?1, ?2, ?3)", (number, a, b)).unwrap();
        }
        drop(conn);
        let mut bytes = std::fs::read(&path).unwrap();
        // Neither the header nor the root page is needed.
        bytes[..4096].fill(0);
        let records = carve(&bytes, None);
        assert_eq!(records.len(), 500);
        for record in records {
            let number = record.rowid.unwrap();
            let a = number.pow(5) * if number % 2 == 0 { 1 } else { -1 };
            let b = if number % 100 == 7 { long.clone() } else { "short".to_owned() };
            assert_eq!(record.values, [Value::Null, Value::Integer(a), Value::Text(b)]);
        }
    }

    #[test]
    fn the_newest_version_of_a_page_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a) ;
             INSERT INTO t VALUES (1, 'old'); PRAGMA wal_checkpoint(TRUNCATE);
             UPDATE t SET a = 'new'; INSERT INTO t VALUES (2, 'other');",
        )
        .unwrap();
        let (file, log) = (std::fs::read(&path).unwrap(), std::fs::read(dir.path().join("db-wal")).unwrap());
        let first = carve(&file, Some(&log)).into_iter().find(|record| record.rowid == Some(1)).unwrap();
        assert_eq!(first.values[1], Value::Text("new".to_owned()));
        assert!(carve(&file, Some(&log[..100])).iter().all(|record| record.rowid != Some(2)));
    }

    /// The state after a `kill` while SQLite flushes the header of a log that it restarts.
    #[test]
    fn a_log_that_was_just_begun_anew_has_lost_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, log_path) = (dir.path().join("db"), dir.path().join("db-wal"));
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a);").unwrap();
        for number in 0..20 {
            conn.execute("INSERT INTO t VALUES (?1, 'old')", [number]).unwrap();
        }
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        let old = std::fs::read(&log_path).unwrap();
        conn.execute("UPDATE t SET a = 'new' WHERE id = 1", []).unwrap();
        let mut log = std::fs::read(&log_path).unwrap();
        assert!(log[..32] != old[..32] && log.len() == old.len(), "it was not begun anew");
        log[32..].copy_from_slice(&old[32..]);
        let lost = |log: &[u8], readable| commits_behind(&mut Cursor::new(log), 4096, readable).unwrap();
        assert!(!lost(&log, 0));
        // If it was not restarted, a damaged header hides the whole log.
        assert!(lost(&old, 0));
        let mut damaged = old.clone();
        damaged[17] ^= 1;
        assert!(lost(&damaged, 0));
    }

    /// With any bytes, it ends and does not panic.
    #[test]
    fn any_bytes_are_survived() {
        let mut state = 1u64;
        let mut dice = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        for _ in 0..200 {
            let mut bytes: Vec<u8> = (0..4096 * 3 + 77).map(|_| dice()).collect();
            for page in 0..3 {
                bytes[page * 4096] = [0x0d, 0x0a, 0x02][usize::from(dice()) % 3];
            }
            carve(&bytes, Some(&bytes));
        }
    }
}
