//! Writes a whole group to a file: its rows in order, in a file that gets its name once it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use peer_engine::id::{ChangeHash, GroupName};

use super::client::{Client, ClientError};
use super::types::{History, HistoryQuery, Row};
use crate::limits::PAGE_MAX;
use crate::text;

/// The pages of a group from one entry on, oldest first.
pub struct Pages<'a> {
    client: &'a Client,
    group: &'a GroupName,
    /// Where the next page begins; `None` after the last.
    after: Option<ChangeHash>,
}

impl<'a> Pages<'a> {
    pub fn after(client: &'a Client, group: &'a GroupName, start: ChangeHash) -> Self {
        Self { client, group, after: Some(start) }
    }

    pub async fn whole(client: &'a Client, group: &'a GroupName) -> Result<Self, ClientError> {
        let start = client.group(group).await?.id.genesis();
        Ok(Self::after(client, group, start))
    }

    /// The next page; the last one may be empty.
    pub async fn next(&mut self) -> Result<Option<History>, ClientError> {
        let Some(after) = self.after else { return Ok(None) };
        let query = HistoryQuery { after: Some(after), limit: Some(PAGE_MAX), ..HistoryQuery::default() };
        let page = self.client.history(self.group, &query).await?;
        self.after = page.entries.last().filter(|_| page.entries.len() == PAGE_MAX).map(|last| last.id);
        Ok(Some(page))
    }
}

/// A line of JSON that is safe to print.
pub fn json_line(row: &Row) -> serde_json::Result<String> {
    let mut line = text::json(serde_json::to_string(row)?);
    line.push('\n');
    Ok(line)
}

/// A file that gets its name once it is complete and on the disk. If dropped before that, it is removed.
#[derive(Debug)]
pub struct Draft {
    file: BufWriter<File>,
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".part");
        let draft = PathBuf::from(draft);
        Ok(Self { file: BufWriter::new(File::create(&draft)?), draft, path: path.to_owned() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Flushes the file and gives it its name; replaces a file that had the name before.
    pub fn keep(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.draft, &self.path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Fails if the file was kept, since it has another name then.
        let _ = fs::remove_file(&self.draft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_once_it_is_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("group.jsonl");
        let names = || fs::read_dir(home.path()).unwrap().count();
        fs::write(&path, "before").unwrap();
        let mut draft = Draft::create(&path).unwrap();
        draft.write(b"half").unwrap();
        drop(draft);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names()), ("before", 1));
        let mut draft = Draft::create(&path).unwrap();
        draft.write(b"whole").unwrap();
        draft.keep().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names()), ("whole", 1));
        assert!(Draft::create(&home.path().join("nowhere/group.jsonl")).is_err());
    }
}
