//! The configuration file: `chat.json` in the platform's configuration directory. The file and each of its fields are
//! optional.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::keys::{KeyMap, KeyMapError};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Key → name of an action, or `none`.
    keys: BTreeMap<String, String>,
    /// The wheel scrolls and a click goes to a group; the terminal's own selection then needs Shift.
    pub mouse: bool,
}

/// Why the file cannot be used. It is read before anything is started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not what `peer chat` expects: {source}", path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{}: {source}", path.display())]
    Keys { path: PathBuf, source: KeyMapError },
}

impl Config {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        };
        serde_json::from_str(&text).map_err(|source| ConfigError::Malformed { path: path.to_owned(), source })
    }

    /// The default keys with the changes from the file.
    pub fn key_map(&self, path: &Path) -> Result<KeyMap, ConfigError> {
        let mut map = KeyMap::default();
        map.remap(&self.keys).map_err(|source| ConfigError::Keys { path: path.to_owned(), source })?;
        Ok(map)
    }
}

/// The path of the file; `None` without a home directory.
pub fn path() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "peer").map(|dirs| dirs.config_dir().join("chat.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keys::Action;

    #[test]
    fn a_file_changes_keys_and_a_missing_one_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("chat.json");
        assert!(!Config::read(&path).unwrap().mouse);
        std::fs::write(&path, r#"{"keys": {"f2": "help"}, "mouse": true}"#).unwrap();
        let config = Config::read(&path).unwrap();
        assert!(config.mouse);
        assert_eq!(config.key_map(&path).unwrap().keys_of(Action::Help), ["f1", "f2"]);
    }

    #[test]
    fn a_bad_file_is_told_with_its_place() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("chat.json");
        std::fs::write(&path, r#"{"kezs": {}}"#).unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("chat.json") && error.contains("kezs"), "{error}");
        std::fs::write(&path, r#"{"keys": {"f2": "fly"}}"#).unwrap();
        let error = Config::read(&path).unwrap().key_map(&path).unwrap_err().to_string();
        assert!(error.contains("chat.json") && error.contains("fly"), "{error}");
    }
}
