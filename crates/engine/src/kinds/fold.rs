//! What entries set, and the state that they come to: the last in display order counts, in every place.

use std::collections::BTreeMap;

use crate::change::{Body, Content};
use crate::id::{ChangeHash, PeerId};

/// An entry whose body can be read: it was written as text, or was sealed and has been opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened<'a> {
    /// The entry's own hash.
    pub id: ChangeHash,
    /// Effective time in milliseconds: with the id, the entry's place in display order.
    pub eff: i64,
    /// Who signed it.
    pub author: PeerId,
    /// `None` for a message.
    pub kind: Option<&'a str>,
    /// The entry that it refers to.
    pub re: Option<ChangeHash>,
    /// Its text.
    pub body: &'a str,
}

impl<'a> Opened<'a> {
    /// `None` where the body is sealed.
    pub fn public(id: ChangeHash, eff: i64, author: PeerId, content: &'a Content) -> Option<Self> {
        let Body::Text(body) = &content.body else { return None };
        Some(Self { id, eff, author, kind: content.kind.as_deref(), re: content.re, body })
    }
}

/// What one entry sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fold {
    /// A value of the group.
    Register(Register),
    /// A value on another entry.
    Mark(Mark),
}

/// A value of the group: a topic, a member, a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// What is set. Kinds that set the same thing share it.
    pub slot: &'static str,
    /// Which one of several: the key of an author, the name of a group, or nothing.
    pub key: Vec<u8>,
    /// What it is set to.
    pub value: String,
}

/// A value that an author puts on another entry. Each author has marks of its own: which of them count is for the reader
/// to say, who knows the author of the entry and the members of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// What is set.
    pub slot: &'static str,
    /// The entry that it is put on. It may arrive later, or never.
    pub target: ChangeHash,
    /// Who put it there.
    pub author: PeerId,
    /// Which one of several by this author on this entry; empty where there can be one only.
    pub tag: String,
    /// What it is set to; empty where it was taken away again.
    pub value: String,
}

/// A value, and the place in display order of the entry that set it.
type Placed = ((i64, ChangeHash), String);

/// All that the entries of one group have set, in memory.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Folded {
    registers: BTreeMap<(&'static str, Vec<u8>), Placed>,
    marks: BTreeMap<(ChangeHash, &'static str, PeerId, String), Placed>,
}

impl Folded {
    /// Takes in what the entry at this place in display order sets. Entries may come in any order, and more than once.
    pub fn set(&mut self, place: (i64, ChangeHash), fold: Fold) {
        match fold {
            Fold::Register(Register { slot, key, value }) => {
                keep_last(self.registers.entry((slot, key)).or_insert((place, String::new())), place, value);
            }
            Fold::Mark(Mark { slot, target, author, tag, value }) => {
                let held = self.marks.entry((target, slot, author, tag));
                keep_last(held.or_insert((place, String::new())), place, value);
            }
        }
    }

    /// All values of the group: slot, key and value, ascending.
    pub fn registers(&self) -> impl Iterator<Item = (&'static str, &[u8], &str)> {
        self.registers.iter().map(|((slot, key), (_, value))| (*slot, key.as_slice(), value.as_str()))
    }

    /// What was put on one entry, ascending by slot, author and tag; without what was taken away again.
    pub fn marks(&self, target: ChangeHash) -> impl Iterator<Item = Mark> + '_ {
        let from = (target, "", PeerId([0; 32]), String::new());
        let marks = self.marks.range(from..).take_while(move |((at, ..), _)| *at == target);
        let marks = marks.filter(|(_, (_, value))| !value.is_empty());
        marks.map(|((target, slot, author, tag), (_, value))| Mark {
            slot,
            target: *target,
            author: *author,
            tag: tag.clone(),
            value: value.clone(),
        })
    }
}

fn keep_last(held: &mut Placed, place: (i64, ChangeHash), value: String) {
    if held.0 <= place {
        *held = (place, value);
    }
}
