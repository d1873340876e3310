//! Parsing of received bytes into the parts of a change.
//!
//! The parser reads only what it needs to know the parts. The caller encodes the parts again and compares, so the parser
//! need not refuse every other spelling; it must only never panic, never loop, and never allocate by an unchecked length.

use super::check::{ContentError, HeaderError};
use super::chunk::{CHANGE_CHUNK, MAGIC};
use super::columns::{
    ACTION, BYTES, INSERT, KEY_COUNTER, KEY_TEXT, OBJECT_ACTOR, OBJECT_COUNTER, PREDECESSOR_COUNT, TEXT,
    VALUE, VALUE_META,
};
use super::content::{Body, Change, Content, Header};
use super::encode::{FIXED_HEAD, OPS_MAX, SIGNATURE_TAG};
use super::leb128::Reader;
use crate::id::{ActorId, ChangeHash};
use crate::limits::{CHANGE_BYTES_MAX, DEPS_MAX};
use crate::time::Timestamp;

/// Why bytes are not a change of the allowed shape. No state changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input is longer than `CHANGE_BYTES_MAX`.
    #[error("a change is at most {CHANGE_BYTES_MAX} bytes; this one has {bytes}")]
    TooLong {
        /// Length of the input in bytes.
        bytes: usize,
    },
    /// The input does not begin with Automerge's magic bytes.
    #[error("not an Automerge chunk")]
    NotAChunk,
    /// The chunk is of another type, such as a compressed change or a document.
    #[error("only uncompressed changes (chunk type {CHANGE_CHUNK}) are accepted; this is chunk type {0}")]
    ChunkType(u8),
    /// The named part is cut off or invalid.
    #[error("the change's {0} cannot be read")]
    Malformed(&'static str),
    /// The header is invalid.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The content is beyond the consensus limits.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Encoding the parts again gives other bytes.
    #[error("the change is not written the one way its parts are written, or its checksum is wrong")]
    NotCanonical,
}

/// The columns of every change, in their order.
const COLUMNS: [u8; 9] = [
    OBJECT_ACTOR,
    OBJECT_COUNTER,
    KEY_COUNTER,
    KEY_TEXT,
    INSERT,
    ACTION,
    VALUE_META,
    VALUE,
    PREDECESSOR_COUNT,
];

pub(super) fn parse(bytes: &[u8]) -> Result<Change, DecodeError> {
    use DecodeError::Malformed;

    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(DecodeError::TooLong { bytes: bytes.len() });
    }
    let mut chunk = Reader::new(bytes);
    if chunk.array() != Some(MAGIC) {
        return Err(DecodeError::NotAChunk);
    }
    let _checksum: [u8; 4] = chunk.array().ok_or(Malformed("checksum"))?;
    match chunk.byte() {
        Some(CHANGE_CHUNK) => {}
        Some(other) => return Err(DecodeError::ChunkType(other)),
        None => return Err(Malformed("chunk type")),
    }
    let contents = chunk.prefixed().ok_or(Malformed("length"))?;
    if !chunk.is_empty() {
        return Err(Malformed("end"));
    }

    let mut reader = Reader::new(contents);
    let header = parse_header(&mut reader)?;
    let (metas, names, values) = parse_columns(&mut reader).ok_or(Malformed("columns"))?;
    let content = parse_content(&metas, names, values)?;
    if reader.array() != Some(SIGNATURE_TAG) {
        return Err(Malformed("signature tag"));
    }
    let signature = reader.array().ok_or(Malformed("signature"))?;
    if !reader.is_empty() {
        return Err(Malformed("end"));
    }
    Ok(Change { header, content, signature })
}

fn parse_header(reader: &mut Reader<'_>) -> Result<Header, DecodeError> {
    use DecodeError::Malformed;

    let count = reader.unsigned().ok_or(Malformed("dependencies"))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if !(1..=DEPS_MAX).contains(&count) {
        return Err(HeaderError::DepsCount { count }.into());
    }
    let hashes = reader.take(count * ChangeHash::BYTES).ok_or(Malformed("dependencies"))?;
    let deps = hashes.chunks_exact(ChangeHash::BYTES).filter_map(ChangeHash::from_slice).collect();
    let actor = reader.prefixed().and_then(ActorId::from_slice).ok_or(Malformed("actor"))?;
    let seq = reader.unsigned().ok_or(Malformed("sequence number"))?;
    let start_op = reader.unsigned().ok_or(Malformed("first operation"))?;
    if reader.array() != Some(FIXED_HEAD) {
        return Err(Malformed("time, commit message or list of actors"));
    }
    Ok(Header { deps, actor, seq, start_op })
}

/// The values' metas (the first is that of the map), the fields' names, and the values.
type ContentColumns<'a> = ([u64; OPS_MAX], &'a [u8], &'a [u8]);

fn parse_columns<'a>(reader: &mut Reader<'a>) -> Option<ContentColumns<'a>> {
    if reader.unsigned()? != COLUMNS.len() as u64 {
        return None;
    }
    let mut lens = [0; COLUMNS.len()];
    for (expected, len) in COLUMNS.iter().zip(&mut lens) {
        if reader.byte()? != *expected {
            return None;
        }
        *len = usize::try_from(reader.unsigned()?).ok()?;
    }
    let (mut metas, mut names, mut values) = (None, None, None);
    for (specification, len) in COLUMNS.iter().zip(lens) {
        let column = reader.take(len)?;
        match *specification {
            KEY_TEXT => names = Some(column),
            VALUE_META => metas = Some(read_runs(column)?),
            VALUE => values = Some(column),
            _ => {}
        }
    }
    Some((metas?, names?, values?))
}

/// Undoes `write_runs`, for at most `OPS_MAX` numbers.
fn read_runs(column: &[u8]) -> Option<[u64; OPS_MAX]> {
    let mut reader = Reader::new(column);
    let mut values = [0; OPS_MAX];
    let mut rest = values.as_mut_slice();
    while !reader.is_empty() {
        let run = reader.signed()?;
        let count = usize::try_from(run.unsigned_abs()).ok()?;
        let (now, later) = std::mem::take(&mut rest).split_at_mut_checked(count)?;
        if run > 0 {
            now.fill(reader.unsigned()?);
        } else {
            for value in now {
                *value = reader.unsigned()?;
            }
        }
        rest = later;
    }
    Some(values)
}

fn parse_content(metas: &[u64; OPS_MAX], names: &[u8], values: &[u8]) -> Result<Content, DecodeError> {
    use DecodeError::Malformed;

    let mut fields = Fields {
        metas: metas[1..].iter(),
        names: Reader::new(names),
        values: Reader::new(values),
        next_name: None,
    };
    // The map itself has no name, then comes the number of names; the comparison holds both to it.
    fields.names.array::<3>().ok_or(Malformed("field names"))?;
    fields.advance();

    let (_, at) = fields.field("at").ok_or(Malformed("time"))?;
    let at = Reader::new(at).signed().and_then(Timestamp::from_millis).ok_or(Malformed("time"))?;
    let body = match fields.field("body").ok_or(Malformed("body"))? {
        (TEXT, bytes) => Body::Text(text(bytes).ok_or(Malformed("body"))?),
        (BYTES, bytes) => Body::Sealed(bytes.to_vec()),
        _ => return Err(Malformed("body")),
    };
    let optional_text = |field: Option<(u64, &[u8])>, what| match field {
        Some((_, bytes)) => text(bytes).map(Some).ok_or(Malformed(what)),
        None => Ok(None),
    };
    let from = optional_text(fields.field("from"), "relayed name")?;
    let kind = optional_text(fields.field("kind"), "kind")?;
    let re = match fields.field("re") {
        Some((_, bytes)) => Some(ChangeHash::from_slice(bytes).ok_or(Malformed("reference"))?),
        None => None,
    };
    Ok(Content { at, kind, body, re, from })
}

/// Walks names and values side by side.
struct Fields<'a> {
    metas: std::slice::Iter<'a, u64>,
    names: Reader<'a>,
    values: Reader<'a>,
    next_name: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// The type and the value of the next field, if it has this name.
    fn field(&mut self, name: &str) -> Option<(u64, &'a [u8])> {
        if self.next_name != Some(name.as_bytes()) {
            return None;
        }
        let meta = *self.metas.next()?;
        let value = self.values.take(usize::try_from(meta >> 4).ok()?)?;
        self.advance();
        Some((meta & 0xf, value))
    }

    fn advance(&mut self) {
        self.next_name = self.names.prefixed();
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
