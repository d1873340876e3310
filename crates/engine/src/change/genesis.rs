//! The first change of a group. It follows from the mesh and the group's name, so all peers that create a group of one name
//! create the same group.

use super::chunk;
use super::columns::{
    ACTION, Columns, INSERT, KEY_TEXT, MAKE_LIST, PREDECESSOR_COUNT, SET, VALUE, VALUE_META, Value,
    write_keys, write_runs,
};
use crate::id::{GroupId, GroupName, MeshId};
use crate::limits::FORMAT;

/// What determines the first change of a public group, besides the format version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The mesh that the group is part of.
    pub mesh: MeshId,
    /// The name of the group.
    pub name: GroupName,
}

impl Genesis {
    /// Counter of the genesis's last operation. Changes that depend on nothing else start one after.
    pub const MAX_OP: u64 = 4;
    /// Counter of the operation that creates the list of messages.
    pub const MESSAGES_OP: u64 = 3;
    /// The genesis's actor id is this single byte. Nobody can write under it, because an author's actor id has 40
    /// bytes.
    pub const ACTOR: u8 = 0;

    /// The genesis of the public group of this name in this mesh.
    pub fn public(mesh: MeshId, name: GroupName) -> Self {
        Self { mesh, name }
    }

    /// The group's id: the hash of [`Genesis::bytes`].
    pub fn id(&self) -> GroupId {
        GroupId(chunk::write(&self.contents()).0.0)
    }

    /// The exact bytes of the change: an uncompressed Automerge change chunk.
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
