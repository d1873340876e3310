//! Files that only their owner can read.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Creates a file that only its owner can read. If it exists, only its permissions are set: opening and
/// closing it would release SQLite's locks.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(_metadata) => {
            // The file may be older, or a copy with wider permissions.
            #[cfg(unix)]
            if std::os::unix::fs::PermissionsExt::mode(&_metadata.permissions()) & 0o077 != 0 {
                fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut options = File::options();
            options.create(true).truncate(false).write(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Writes a file that only its owner can read, atomically and durably.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    if let Some(dir) = path.parent().filter(|_| cfg!(unix)) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}
