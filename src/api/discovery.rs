//! How a client finds the server of a data directory: through the file `api.json`, which only its owner can
//! read and which exists while the server runs. A file left by a crash is removed by the next process that
//! takes the directory's lock, so while the lock is held, the file is the holder's.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::token::Token;
use crate::node::write_private;

const FILE: &str = "api.json";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Announcement {
    pub address: SocketAddr,
    pub token: Token,
}

impl Announcement {
    /// Replaces the file atomically: a reader sees the old one, the new one, or none.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        write_private(&path(data), &Zeroizing::new(serde_json::to_vec(self)?))
    }

    /// `None` without a file. Fails if others could have read the token, or if the address is not local.
    pub fn read(data: &Path) -> io::Result<Option<Self>> {
        let path = path(data);
        let bytes = match fs::read(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        #[cfg(unix)]
        if std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path)?.permissions()) & 0o077 != 0 {
            return Err(io::Error::other("others can read it; restart the peer, which makes a new one"));
        }
        let announcement: Self = serde_json::from_slice(&bytes).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "it is damaged; restart the peer, which makes a new one",
            )
        })?;
        if !announcement.address.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its address is not on this machine"));
        }
        Ok(Some(announcement))
    }

    /// May only be called by the holder of the lock.
    pub fn remove(data: &Path) -> io::Result<()> {
        match fs::remove_file(path(data)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

pub(super) fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(address: &str) -> Announcement {
        Announcement { address: address.parse().unwrap(), token: Token::random().unwrap() }
    }

    #[test]
    fn an_announcement_is_found_until_it_is_removed() {
        let data = tempfile::tempdir().unwrap();
        assert!(Announcement::read(data.path()).unwrap().is_none());
        Announcement::remove(data.path()).unwrap();
        for address in ["127.0.0.1:4000", "[::1]:4001"] {
            let written = announcement(address);
            written.write(data.path()).unwrap();
            let found = Announcement::read(data.path()).unwrap().unwrap();
            assert_eq!(found.address, written.address);
            assert_eq!(*found.token.bearer(), *written.token.bearer());
        }
        Announcement::remove(data.path()).unwrap();
        assert!(Announcement::read(data.path()).unwrap().is_none());
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().unwrap();
        announcement("127.0.0.1:4000").write(data.path()).unwrap();
        let mode = fs::metadata(path(data.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(path(data.path()), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Announcement::read(data.path()).unwrap_err().to_string().contains("others can read it"));
    }

    #[test]
    fn a_damaged_file_and_a_foreign_address_are_refused() {
        let data = tempfile::tempdir().unwrap();
        announcement("192.0.2.1:4000").write(data.path()).unwrap();
        assert!(Announcement::read(data.path()).unwrap_err().to_string().contains("not on this machine"));
        announcement("127.0.0.1:4000").write(data.path()).unwrap();
        fs::write(path(data.path()), "{").unwrap();
        assert!(Announcement::read(data.path()).unwrap_err().to_string().contains("damaged"));
    }
}
