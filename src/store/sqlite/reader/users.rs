//! The people in one group, or in all groups stored here.

use std::collections::BTreeMap;

use peer_engine::group::GroupNo;
use peer_engine::id::PeerId;
use peer_engine::kinds::join::{JOINED, MEMBER};
use peer_engine::kinds::name::NAME;
use rusqlite::params;

use super::Reader;
use crate::store::{StoreError, User};

impl Reader {
    /// With a group: the people who joined, left or wrote in it. Without one: those who have a name or are a
    /// member of any group. Returns those whose name contains `search`, ignoring case, or whose key begins
    /// with it; sorted by name, those without one last.
    pub fn users(&self, group: Option<GroupNo>, search: Option<&str>) -> Result<Vec<User>, StoreError> {
        let search = search.map(str::to_lowercase);
        self.in_one_state(|| {
            let joined = match group {
                Some(group) => self.people_of(group)?,
                None => self.everybody()?,
            };
            let mut users = Vec::new();
            for (key, joined) in joined {
                let user = User { key, name: self.display_name(&key)?, joined };
                if search.as_ref().is_none_or(|text| matches(&user, text)) {
                    users.push(user);
                }
            }
            users.sort_by_cached_key(|user| {
                (user.name.is_none(), user.name.as_deref().map(str::to_lowercase), user.key)
            });
            Ok(users)
        })
    }

    fn people_of(&self, group: GroupNo) -> Result<BTreeMap<PeerId, bool>, StoreError> {
        let source = self.source(group)?;
        self.people(
            "SELECT DISTINCT substr(bytes, 1, 32), 0 FROM actor WHERE grp = ?1
             UNION ALL SELECT key, value = ?3 FROM register WHERE grp = ?1 AND slot = ?2",
            params![source.group.no.0, MEMBER, JOINED],
        )
    }

    fn everybody(&self) -> Result<BTreeMap<PeerId, bool>, StoreError> {
        self.people(
            "SELECT key, 0 FROM register WHERE grp = (SELECT no FROM grp WHERE id = ?1) AND slot = ?4
             UNION ALL SELECT key, value = ?3 FROM register WHERE slot = ?2",
            params![&self.directory.0[..], MEMBER, JOINED, NAME],
        )
    }

    /// Whether each person is a member by at least one row.
    fn people(
        &self,
        sql: &str,
        params: &[&dyn rusqlite::ToSql],
    ) -> Result<BTreeMap<PeerId, bool>, StoreError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut people = BTreeMap::new();
        while let Some(row) = rows.next()? {
            *people.entry(PeerId(row.get(0)?)).or_insert(false) |= row.get::<_, bool>(1)?;
        }
        Ok(people)
    }
}

fn matches(user: &User, text: &str) -> bool {
    user.name.as_ref().is_some_and(|name| name.to_lowercase().contains(text))
        || user.key.to_string().starts_with(text)
}
