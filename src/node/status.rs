//! What `peer status` shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use peer_engine::engine;
use peer_engine::group::GroupNo;
use peer_engine::id::{ChangeHash, GroupId, GroupName, MeshId, PeerId};
use peer_engine::sync::LinkId;
use peer_engine::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::links::Bytes;
use crate::limits::CLOCK_AHEAD_MS_MAX;
use crate::store::{Reader, StoreError};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub peer: PeerId,
    pub name: Option<String>,
    pub mesh: MeshId,
    pub groups: Vec<GroupStatus>,
    pub links: Vec<LinkStatus>,
    /// Known peers without a link.
    pub unreachable: Vec<Unreachable>,
    /// Peers that are flagged as untrustworthy, and why.
    pub flagged: Vec<Flagged>,
    pub disk_bytes: u64,
    /// Files of damaged databases that are kept; what could be read of them is in the present database.
    #[serde(default)]
    pub set_aside: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GroupStatus {
    pub name: GroupName,
    pub id: GroupId,
    pub entries: u64,
    pub heads: Vec<ChangeHash>,
    /// Entries that wait here for an entry that they depend on.
    pub waiting: u64,
    /// Entries that were carried over from a damaged database, and are only displayed until the missing
    /// entries that they depend on have come back. Not counted in `entries`.
    #[serde(default)]
    pub stranded: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LinkStatus {
    pub peer: PeerId,
    pub name: Option<String>,
    pub address: String,
    pub rtt_ms: Option<f64>,
    /// Their wall clock minus ours.
    pub skew_ms: Option<i64>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub behind: Vec<Behind>,
}

/// A group in which this peer and the linked one do not hold the same entries.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Behind {
    pub group: GroupName,
    /// Entries here that the other side is not known to have.
    pub entries: Option<u64>,
    /// Heads of the other side that are not here.
    pub unknown_heads: u64,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, entries, unknown_heads } = self;
        match (entries, unknown_heads) {
            (Some(0) | None, _) => write!(f, "{group}: it has more"),
            (Some(entries), 0) => write!(f, "{group}: it lacks {entries}"),
            (Some(entries), _) => write!(f, "{group}: it lacks {entries} and has more"),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Unreachable {
    pub peer: Option<PeerId>,
    pub address: String,
    pub reason: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Flagged {
    pub peer: PeerId,
    pub name: Option<String>,
    /// The group in which it happened; `None` for the directory of the mesh, and for links.
    pub group: Option<GroupName>,
    pub reason: String,
    /// When a link to the peer was last closed because it broke the rules, by the local clock; `None` for
    /// what it wrote.
    pub at: Option<Timestamp>,
}

/// The groups that are held here, without the directory of the mesh, which is internal to peers.
type Held = BTreeMap<GroupNo, (GroupName, GroupId)>;

fn name_of(held: &Held, group: GroupNo) -> Option<GroupName> {
    held.get(&group).map(|(name, _)| name.clone())
}

pub(super) fn describe(
    peer: PeerId,
    mesh: MeshId,
    engine: &engine::Status,
    traffic: &BTreeMap<LinkId, Bytes>,
    reader: &Reader,
    now: Timestamp,
) -> Result<Status, StoreError> {
    let held: Held = reader.held_groups()?.into_iter().map(|row| (row.no, (row.name, row.id))).collect();
    let mut flagged = by_what_they_wrote(&held, reader, now)?;
    flagged.extend(by_their_links(&held, engine, reader)?);
    Ok(Status {
        peer,
        name: reader.display_name(&peer)?,
        mesh,
        groups: groups(&held, engine, reader)?,
        links: links(&held, engine, traffic, reader)?,
        unreachable: unreachable(engine),
        flagged,
        disk_bytes: reader.size(),
        set_aside: super::database::set_aside(reader.path()),
    })
}

fn groups(held: &Held, engine: &engine::Status, reader: &Reader) -> Result<Vec<GroupStatus>, StoreError> {
    let mut groups = Vec::new();
    for room in &engine.rooms {
        let Some((name, id)) = held.get(&room.group).cloned() else { continue };
        let (entries, heads, waiting) = (room.entries, room.heads.clone(), room.waiting);
        let stranded = reader.stranded(room.group)?;
        groups.push(GroupStatus { name, id, entries, heads, waiting, stranded });
    }
    Ok(groups)
}

fn links(
    held: &Held,
    engine: &engine::Status,
    traffic: &BTreeMap<LinkId, Bytes>,
    reader: &Reader,
) -> Result<Vec<LinkStatus>, StoreError> {
    let mut links = Vec::new();
    for link in &engine.links {
        let bytes = traffic.get(&link.link).copied().unwrap_or_default();
        let behind = link.behind.iter().filter_map(|behind| {
            let group = held.get(&behind.group)?.0.clone();
            Some(Behind { group, entries: behind.there, unknown_heads: behind.here })
        });
        links.push(LinkStatus {
            peer: link.peer,
            name: reader.display_name(&link.peer)?,
            address: link.address.clone(),
            rtt_ms: link.rtt_us.map(|us| us as f64 / 1000.0),
            skew_ms: link.skew_ms,
            bytes_in: bytes.read,
            bytes_out: bytes.written,
            behind: behind.collect(),
        });
    }
    Ok(links)
}

/// Peers that named no address are left out: they only visited, as a newcomer does to try its ticket.
fn unreachable(engine: &engine::Status) -> Vec<Unreachable> {
    let named = engine.absent.iter().filter_map(|(key, addresses, refused)| {
        let reason = if *refused { "it refuses our mesh secret" } else { "no link" }.to_owned();
        Some(Unreachable { peer: Some(*key), address: addresses.first()?.clone(), reason })
    });
    named.collect()
}

/// Authors of forks, and authors whose clock was far ahead.
fn by_what_they_wrote(held: &Held, reader: &Reader, now: Timestamp) -> Result<Vec<Flagged>, StoreError> {
    let mut flagged = Vec::new();
    for fork in reader.forks()? {
        flagged.push(Flagged {
            peer: fork.author,
            name: reader.display_name(&fork.author)?,
            group: name_of(held, fork.group),
            reason: format!("wrote {} and {} in one place", fork.entries.0, fork.entries.1),
            at: None,
        });
    }
    let bound = Timestamp::clamped(now.millis().saturating_add(CLOCK_AHEAD_MS_MAX));
    for (&group, (name, _)) in held {
        let mut seen = BTreeSet::new();
        for entry in reader.stamped_after(group, bound)? {
            if seen.insert(entry.author) {
                flagged.push(Flagged {
                    peer: entry.author,
                    name: entry.name,
                    group: Some(name.clone()),
                    reason: format!("stamped {} with {}, far ahead of the clock here", entry.id, entry.at),
                    at: None,
                });
            }
        }
    }
    Ok(flagged)
}

/// Peers that did not send what they announced, or broke the rules of a link.
fn by_their_links(held: &Held, engine: &engine::Status, reader: &Reader) -> Result<Vec<Flagged>, StoreError> {
    let mut flagged = Vec::new();
    for (key, group) in &engine.withheld {
        flagged.push(Flagged {
            peer: *key,
            name: reader.display_name(key)?,
            group: name_of(held, *group),
            reason: "announced entries that it has not sent when it was asked".to_owned(),
            at: None,
        });
    }
    for (key, fault) in &engine.faults {
        let times = if fault.times > 1 { format!(", {} times", fault.times) } else { String::new() };
        flagged.push(Flagged {
            peer: *key,
            name: reader.display_name(key)?,
            group: None,
            reason: format!("{}; its link was closed{times}", fault.what.words()),
            at: Some(fault.at),
        });
    }
    Ok(flagged)
}
