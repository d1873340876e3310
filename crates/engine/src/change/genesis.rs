//! The first change of a group: deterministic, so that a public group is its name.

use super::chunk;
use super::columns::{
    ACTION, Columns, INSERT, KEY_TEXT, MAKE_LIST, PREDECESSOR_COUNT, SET, VALUE, VALUE_META, Value,
    write_keys, write_runs,
};
use crate::id::{GroupId, GroupName, MeshId};
use crate::limits::FORMAT;

/// Everything that a public group's first change holds besides the format version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    pub mesh: MeshId,
    pub name: GroupName,
}

impl Genesis {
    /// The counter of its last operation. The first entry's change starts one after.
    pub const MAX_OP: u64 = 4;
    /// The operation that makes the list of messages.
    pub const MESSAGES_OP: u64 = 3;
    /// Its actor id is this single byte. Nobody can write under it: an author's is 40 bytes.
    pub const ACTOR: u8 = 0;

    pub fn public(mesh: MeshId, name: GroupName) -> Self {
        Self { mesh, name }
    }

    pub fn id(&self) -> GroupId {
        GroupId(chunk::write(&self.contents()).0.0)
    }

    pub fn bytes(&self) -> Vec<u8> {
        chunk::write(&self.contents()).1
    }

    fn contents(&self) -> Vec<u8> {
        // In the order of their names, as the fields of an entry are.
        let ops = [
            ("format", SET, Value::Uint(FORMAT)),
            ("mesh", SET, Value::Bytes(self.mesh.as_bytes())),
            ("messages", MAKE_LIST, Value::Nothing),
            ("name", SET, Value::Text(self.name.as_str())),
        ];
        let mut columns = Columns::with_capacity(128);
        columns.push(KEY_TEXT, |out| write_keys(ops.iter().map(|(name, ..)| *name), out));
        columns.push(INSERT, |out| out.push(ops.len() as u8));
        columns.push(ACTION, |out| write_runs(&ops.map(|(_, action, _)| action), out));
        columns.push(VALUE_META, |out| write_runs(&ops.map(|(.., value)| value.meta()), out));
        columns.push(VALUE, |out| ops.iter().for_each(|(.., value)| value.write(out)));
        columns.push(PREDECESSOR_COUNT, |out| write_runs(&ops.map(|_| 0), out));

        // No dependencies; the actor; sequence number 1; first operation 1; time, commit message and other
        // actors: none.
        let mut out = vec![0, 1, Self::ACTOR, 1, 1, 0, 0, 0];
        columns.write(&mut out);
        out
    }
}
