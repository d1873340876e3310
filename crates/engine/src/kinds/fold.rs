//! What entries set, and the state that they come to: the last in display order counts, in every place.

use std::collections::BTreeMap;

use crate::change::{Body, Content};
use crate::id::{ChangeHash, PeerId};

/// An entry whose body is readable: it was written as text, or was sealed and has been decrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened<'a> {
    /// The entry's own hash.
    pub id: ChangeHash,
    /// Effective time in milliseconds: with the id, the entry's place in display order.
    pub eff: i64,
    /// The peer that signed the entry.
    pub author: PeerId,
    /// The entry's kind; `None` for a message.
    pub kind: Option<&'a str>,
    /// The entry that it refers to.
    pub re: Option<ChangeHash>,
    /// The entry's text, which its kind interprets.
    pub body: &'a str,
}

impl<'a> Opened<'a> {
    /// The entry with this content; `None` if the body is sealed.
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
    /// The name of the value. Kinds that set the same value share the name.
    pub slot: &'static str,
    /// Distinguishes several values of one slot: an author's key, a group's name, or empty.
    pub key: Vec<u8>,
    /// The new value.
    pub value: String,
}

/// A value that an author puts on another entry. Marks of different authors are kept apart; the reader, who knows the
/// author of the entry and the members of the group, decides which of them count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The name of the value.
    pub slot: &'static str,
    /// The entry that the mark is put on. It may arrive later, or never.
    pub target: ChangeHash,
    /// The author of the mark.
    pub author: PeerId,
    /// Distinguishes several marks of this author on this entry; empty where there can be one only.
    pub tag: String,
    /// The new value; empty when the mark is taken away again.
    pub value: String,
}

/// A value, and the place in display order of the entry that set it.
type Placed = ((i64, ChangeHash), String);

/// The state that the entries of one group add up to, in memory.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Folded {
    registers: BTreeMap<(&'static str, Vec<u8>), Placed>,
    marks: BTreeMap<(ChangeHash, &'static str, PeerId, String), Placed>,
}

impl Folded {
    /// Applies what an entry sets. `place` is the entry's place in display order: effective time and id. Entries may
    /// be applied in any order and repeatedly; the result is the same.
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

    /// All registers as (slot, key, value), in ascending order of slot and key.
    pub fn registers(&self) -> impl Iterator<Item = (&'static str, &[u8], &str)> {
        self.registers.iter().map(|((slot, key), (_, value))| (*slot, key.as_slice(), value.as_str()))
    }

    /// The marks on one entry, in ascending order of slot, author and tag, without those that were taken away.
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
