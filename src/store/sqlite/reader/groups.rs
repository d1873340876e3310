//! The groups that a person can name: those stored here, and those that only the directory names.

use std::collections::HashSet;

use peer_engine::change::Genesis;
use peer_engine::group::GroupNo;
use peer_engine::id::{GroupId, GroupName};
use peer_engine::kinds::group::GROUP;
use peer_engine::kinds::topic::TOPIC;
use peer_engine::store::GroupRow;
use rusqlite::{OptionalExtension, params};

use super::Reader;
use crate::store::sqlite::group_row;
use crate::store::sqlite::log::{self, GroupRef};
use crate::store::{GroupSummary, StoreError};

impl Reader {
    /// Sorted by name; those whose name contains `search`, ignoring case. The directory is not included.
    pub fn groups(&self, search: Option<&str>) -> Result<Vec<GroupSummary>, StoreError> {
        let search = search.map(str::to_lowercase);
        let wanted = |name: &GroupName| search.as_ref().is_none_or(|text| name.as_str().contains(text));
        self.in_one_state(|| {
            let mut groups = Vec::new();
            let mut held = HashSet::new();
            for row in self.held_groups()? {
                held.insert(row.id);
                if wanted(&row.name) {
                    groups.push(self.summary(row)?);
                }
            }
            for name in self.directory_names()?.into_iter().filter(wanted) {
                let id = self.public_id(&name);
                if !held.contains(&id) {
                    groups.push(named_only(id, name));
                }
            }
            groups.sort_by(|a, b| (&a.name, a.no, a.id).cmp(&(&b.name, b.no, b.id)));
            Ok(groups)
        })
    }

    /// The public group of this name, stored or only named in the directory; or another group stored under
    /// the name.
    pub fn group(&self, name: &GroupName) -> Result<Option<GroupSummary>, StoreError> {
        self.in_one_state(|| {
            let id = self.public_id(name);
            let mut statement = self.conn.prepare_cached(
                "SELECT no, id, name, joined, caught_up, entries, heads FROM grp
                 WHERE name = ?1 ORDER BY id = ?2 DESC, no LIMIT 1",
            )?;
            let mut rows = statement.query(params![name.as_str(), &id.0[..]])?;
            if let Some(row) = rows.next()? {
                return self.summary(group_row(row)?).map(Some);
            }
            Ok(self.is_announced(name)?.then(|| named_only(id, name.clone())))
        })
    }

    /// The group of this id, stored or only named in the directory.
    pub fn group_with_id(&self, id: &GroupId) -> Result<Option<GroupSummary>, StoreError> {
        self.in_one_state(|| {
            if let Some(row) = self.held_groups()?.into_iter().find(|row| row.id == *id) {
                return self.summary(row).map(Some);
            }
            let name = self.directory_names()?.into_iter().find(|name| self.public_id(name) == *id);
            Ok(name.map(|name| named_only(*id, name)))
        })
    }

    /// Whether the directory names this group.
    pub fn is_announced(&self, name: &GroupName) -> Result<bool, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT 1 FROM register WHERE grp = (SELECT no FROM grp WHERE id = ?1) AND slot = ?2 AND key = ?3",
        )?;
        let key = name.as_str().as_bytes();
        Ok(statement.exists(params![&self.directory.0[..], GROUP, key])?)
    }

    /// Up to `limit` names that `text` may have been meant for, the likeliest first.
    pub fn nearest(&self, text: &str, limit: usize) -> Result<Vec<GroupName>, StoreError> {
        let text: Vec<char> = text.to_lowercase().chars().take(NEAREST_CHARS_MAX).collect();
        let groups = self.groups(None)?;
        let mut near: Vec<(usize, GroupName)> = groups
            .into_iter()
            .filter_map(|group| {
                let name: Vec<char> = group.name.as_str().chars().collect();
                let begins = !text.is_empty() && (name.starts_with(&text) || text.starts_with(&name));
                let distance = if begins { 1 } else { edits(&text, &name) };
                (distance <= 1 + name.len() / 3).then_some((distance, group.name))
            })
            .collect();
        near.sort();
        near.dedup();
        Ok(near.into_iter().take(limit).map(|(_, name)| name).collect())
    }

    /// All groups that have entries here, except the directory.
    pub fn held_groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT no, id, name, joined, caught_up, entries, heads FROM grp WHERE id <> ?1 ORDER BY no",
        )?;
        let mut rows = statement.query([&self.directory.0[..]])?;
        let mut groups = Vec::new();
        while let Some(row) = rows.next()? {
            groups.push(group_row(row)?);
        }
        Ok(groups)
    }

    fn directory_names(&self) -> Result<Vec<GroupName>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT key FROM register WHERE grp = (SELECT no FROM grp WHERE id = ?1) AND slot = ?2",
        )?;
        let mut rows = statement.query(params![&self.directory.0[..], GROUP])?;
        let mut names = Vec::new();
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            names.extend(std::str::from_utf8(key).ok().and_then(|name| name.parse().ok()));
        }
        Ok(names)
    }

    fn summary(&self, row: GroupRow) -> Result<GroupSummary, StoreError> {
        let group = GroupRef { no: row.no, id: row.id };
        let heads = row.heads.iter().map(|&head| log::hash(&self.conn, group, head));
        Ok(GroupSummary {
            no: Some(row.no),
            id: row.id,
            entries: row.entries,
            topic: self.topic(row.no)?,
            joined: row.joined,
            heads: heads.collect::<Result<_, _>>()?,
            name: row.name,
        })
    }

    fn topic(&self, group: GroupNo) -> Result<Option<String>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT value FROM register WHERE grp = ?1 AND slot = ?2 AND key = x''")?;
        Ok(statement.query_row(params![group.0, TOPIC], |row| row.get(0)).optional()?)
    }

    fn public_id(&self, name: &GroupName) -> GroupId {
        Genesis::public(self.mesh, name.clone()).id()
    }
}

fn named_only(id: GroupId, name: GroupName) -> GroupSummary {
    GroupSummary { no: None, id, name, entries: 0, topic: None, joined: false, heads: Vec::new() }
}

/// Maximum length that is compared of what a person typed; names are shorter.
const NEAREST_CHARS_MAX: usize = 64;

/// The edit distance: how many characters to insert, remove, replace or swap with a neighbour.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut fewest = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                fewest = fewest.min(before[j - 1] + 1);
            }
            row.push(fewest);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let count = |a: &str, b: &str| edits(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(count("", ""), 0);
        assert_eq!(count("rust", "rust"), 0);
        assert_eq!(count("rsut", "rust"), 1);
        assert_eq!(count("", "rust"), 4);
        assert_eq!(count("trust", "rust"), 1);
        assert_eq!(count("kitten", "sitting"), 3);
    }
}
