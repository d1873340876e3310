//! From the parts of a change to its bytes.

use super::chunk::MAGIC;
use super::columns::{
    ACTION, Columns, INSERT, KEY_COUNTER, KEY_TEXT, MAKE_MAP, OBJECT_ACTOR, OBJECT_COUNTER,
    PREDECESSOR_COUNT, SET, VALUE, VALUE_META, Value, write_keys, write_runs,
};
use super::content::{Body, Content, Header, SIGNATURE_BYTES};
use super::genesis::Genesis;
use super::leb128::write_unsigned;
use crate::id::{ActorId, ChangeHash, GroupId};

/// Ends the signed part: `p` for this program, then the signature scheme, 1 for Ed25519. Automerge reads a
/// number here and takes 1 for its own author footer; ours reads as 112.
pub(super) const SIGNATURE_TAG: [u8; 2] = [b'p', 1];
/// So that nothing else that is ever signed with the same key can pass for a change.
const SIGNATURE_DOMAIN: &[u8] = b"peer/change/1\0";

/// The operation that makes the map, and one for each of the five fields.
pub(super) const OPS_MAX: usize = 6;

/// Time, commit message, then the list of the other actors that the operations name: the genesis actor.
pub(super) const FIXED_HEAD: [u8; 5] = [0, 0, 1, 1, Genesis::ACTOR];

/// A change's contents up to the signature, which is all that follows.
pub(super) fn signed_part(header: &Header, content: &Content) -> Vec<u8> {
    let columns = columns(header.start_op, content);
    let mut out = Vec::with_capacity(256 + header.deps.len() * ChangeHash::BYTES + body(content).len());
    write_unsigned(header.deps.len() as u64, &mut out);
    for dep in &header.deps {
        out.extend_from_slice(dep.as_bytes());
    }
    write_unsigned(ActorId::BYTES as u64, &mut out);
    out.extend_from_slice(header.actor.as_bytes());
    write_unsigned(header.seq, &mut out);
    write_unsigned(header.start_op, &mut out);
    out.extend_from_slice(&FIXED_HEAD);
    columns.write(&mut out);
    out.extend_from_slice(&SIGNATURE_TAG);
    out
}

/// The signed part of a change as [`super::chunk::write`] wrote it.
pub(super) fn signed_part_of(bytes: &[u8]) -> &[u8] {
    let kind = MAGIC.len() + 4;
    let more = bytes[kind + 1..].iter().take_while(|byte| **byte & 0x80 != 0).count();
    &bytes[kind + 1 + more + 1..bytes.len() - SIGNATURE_BYTES]
}

/// What the author signs: not the chunk's header, whose checksum covers the signature.
pub(super) fn signing_input(group: GroupId, signed_part: &[u8]) -> Vec<u8> {
    [SIGNATURE_DOMAIN, group.as_bytes(), signed_part].concat()
}

/// The operations: a map inserted at the head of the messages, then its fields in the order of their names.
fn columns(start_op: u64, content: &Content) -> Columns {
    let mut ops = [("", Value::Nothing); OPS_MAX];
    let mut count = 1;
    for field in fields(content).into_iter().flatten() {
        ops[count] = field;
        count += 1;
    }
    let field_count = (count - 1) as u8;
    let first_then = |first: u64, then: u64| {
        let mut values = [then; OPS_MAX];
        values[0] = first;
        values
    };

    let mut columns = Columns::with_capacity(128 + body(content).len());
    columns.push(OBJECT_ACTOR, |out| write_runs(&first_then(1, 0)[..count], out));
    columns.push(OBJECT_COUNTER, |out| write_runs(&first_then(Genesis::MESSAGES_OP, start_op)[..count], out));
    // The head of a list is counter 0; the fields have none.
    columns.push(KEY_COUNTER, |out| out.extend_from_slice(&[0x7f, 0, 0, field_count]));
    columns.push(KEY_TEXT, |out| {
        out.extend_from_slice(&[0, 1]);
        write_keys(ops[1..count].iter().map(|(name, _)| *name), out);
    });
    columns.push(INSERT, |out| out.extend_from_slice(&[0, 1, field_count]));
    columns.push(ACTION, |out| write_runs(&first_then(MAKE_MAP, SET)[..count], out));
    columns.push(VALUE_META, |out| write_runs(&ops.map(|(_, value)| value.meta())[..count], out));
    columns.push(VALUE, |out| ops[..count].iter().for_each(|(_, value)| value.write(out)));
    columns.push(PREDECESSOR_COUNT, |out| write_runs(&[0; OPS_MAX][..count], out));
    columns
}

/// The fields in the order of their names, which is the order of their operations.
fn fields(content: &Content) -> [Option<(&'static str, Value<'_>)>; OPS_MAX - 1] {
    let body = match &content.body {
        Body::Text(text) => Value::Text(text),
        Body::Sealed(bytes) => Value::Bytes(bytes),
    };
    [
        Some(("at", Value::Time(content.at.millis()))),
        Some(("body", body)),
        content.from.as_ref().map(|from| ("from", Value::Text(from))),
        content.kind.as_ref().map(|kind| ("kind", Value::Text(kind))),
        content.re.as_ref().map(|re| ("re", Value::Bytes(re.as_bytes()))),
    ]
}

fn body(content: &Content) -> &[u8] {
    match &content.body {
        Body::Text(text) => text.as_bytes(),
        Body::Sealed(bytes) => bytes,
    }
}
