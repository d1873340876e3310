//! One peer's data directory: `secrets.json`, `peer.db`, and the lock that keeps a second process out.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use peer_engine::id::MeshId;
use peer_engine::identity::{Identity, MeshSecret, Secret};
use peer_engine::wire::ticket::Ticket;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::DataDirError;
use super::private::{make_private, write_private};

const SECRETS: &str = "secrets.json";
const DATABASE: &str = "peer.db";
const LOCK: &str = "lock";

/// An open, locked data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Released when the file is closed.
    _lock: File,
}

/// Who this peer is. Erased from memory when dropped.
pub(super) struct Secrets {
    pub identity: Identity,
    pub mesh: MeshId,
    pub secret: MeshSecret,
    database: bool,
}

/// The format of `secrets.json`: numbers are in hexadecimal.
#[derive(Serialize, Deserialize)]
struct SecretsFile {
    identity: Zeroizing<String>,
    mesh: MeshId,
    mesh_secret: Zeroizing<String>,
    /// Whether the database has been created; if so, a missing one is an error and is not created again.
    #[serde(default)]
    database: bool,
}

impl DataDir {
    /// Whether there is a peer in this directory. Fails when that cannot be determined, or when some of its
    /// files are missing.
    pub fn exists(path: &Path) -> Result<bool, DataDirError> {
        let secrets = path.join(SECRETS);
        match fs::metadata(&secrets) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let orphaned = path.join(DATABASE).exists();
                if orphaned { Err(DataDirError::Missing { path: secrets }) } else { Ok(false) }
            }
            Err(source) => Err(DataDirError::Io { path: path.to_owned(), source }),
        }
    }

    /// Opens and locks a data directory. On first use it creates the directory, an identity, and a mesh: the
    /// mesh of the ticket, or a new one without a ticket. Refuses a ticket of another mesh or with another
    /// secret than the directory's, and a directory whose database is missing.
    pub fn open(path: &Path, ticket: Option<&Ticket>) -> Result<Self, DataDirError> {
        create_private_dir(path)?;
        let lock = lock(path)?;
        let dir = Self { path: path.to_owned(), _lock: lock };
        super::database::finish(&dir.database())
            .map_err(|source| DataDirError::Io { path: dir.database(), source })?;
        if Self::exists(path)? {
            let secrets = dir.secrets()?;
            if secrets.database && fs::metadata(dir.database()).map_or(0, |file| file.len()) == 0 {
                return Err(DataDirError::NoDatabase { path: dir.database() });
            }
            if let Some(ticket) = ticket {
                if ticket.mesh != secrets.mesh {
                    return Err(DataDirError::OtherMesh { path: path.to_owned() });
                }
                if ticket.secret != secrets.secret {
                    return Err(DataDirError::OtherSecret { path: path.to_owned() });
                }
            }
        } else {
            dir.create_secrets(ticket)?;
        }
        Ok(dir)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    pub(super) fn secrets(&self) -> Result<Secrets, DataDirError> {
        let path = self.path.join(SECRETS);
        check_private(&path, 0o077, "600")?;
        let text = Zeroizing::new(fs::read(&path).map_err(io_error(&path))?);
        let damaged = || DataDirError::Damaged { path: path.clone() };
        let file: SecretsFile = serde_json::from_slice(&text).map_err(|_| damaged())?;
        let secret = |text: &str| Secret::from_hex(text.as_bytes()).ok_or_else(damaged);
        Ok(Secrets {
            identity: Identity::from_seed(secret(&file.identity)?.bytes()),
            mesh: file.mesh,
            secret: MeshSecret(secret(&file.mesh_secret)?),
            database: file.database,
        })
    }

    /// Records that the database has been created.
    pub(super) fn has_database(&self, secrets: &Secrets) -> Result<(), DataDirError> {
        if secrets.database { Ok(()) } else { self.write_secrets(secrets, true) }
    }

    fn create_secrets(&self, ticket: Option<&Ticket>) -> Result<(), DataDirError> {
        let seed = random_secret()?;
        let (mesh, secret) = match ticket {
            Some(ticket) => (ticket.mesh, ticket.secret.clone()),
            None => (MeshId(random()?), MeshSecret(random_secret()?)),
        };
        let secrets = Secrets { identity: Identity::from_seed(seed.bytes()), mesh, secret, database: false };
        self.write_secrets(&secrets, false)
    }

    fn write_secrets(&self, secrets: &Secrets, database: bool) -> Result<(), DataDirError> {
        let file = SecretsFile {
            identity: Zeroizing::new(HEXLOWER.encode(secrets.identity.seed())),
            mesh: secrets.mesh,
            mesh_secret: secrets.secret.0.to_hex(),
            database,
        };
        let path = self.path.join(SECRETS);
        let text = Zeroizing::new(
            serde_json::to_vec_pretty(&file).map_err(|_| DataDirError::Damaged { path: path.clone() })?,
        );
        write_private(&path, &text).map_err(io_error(&path))
    }

    /// A value that stays the same for this database file until the next boot; it differs after a restore or
    /// a reboot. If the system does not tell, it differs at each start, which is as safe.
    pub(super) fn writer_stamp(&self) -> Result<[u8; 32], DataDirError> {
        let Some(place) = place(&self.database()) else { return random() };
        Ok(Sha256::digest(place).into())
    }
}

#[cfg(target_os = "linux")]
fn place(database: &Path) -> Option<Vec<u8>> {
    use std::os::unix::fs::MetadataExt;
    let mut place = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let metadata = fs::metadata(database).ok()?;
    place.extend_from_slice(&metadata.dev().to_le_bytes());
    place.extend_from_slice(&metadata.ino().to_le_bytes());
    Some(place)
}

#[cfg(not(target_os = "linux"))]
fn place(_database: &Path) -> Option<Vec<u8>> {
    None
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], DataDirError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| DataDirError::Random(error.to_string()))?;
    Ok(bytes)
}

pub(super) fn random_secret() -> Result<Secret, DataDirError> {
    Secret::write(|bytes| getrandom::fill(bytes)).map_err(|error| DataDirError::Random(error.to_string()))
}

fn lock(dir: &Path) -> Result<File, DataDirError> {
    let path = dir.join(LOCK);
    make_private(&path).map_err(io_error(&path))?;
    let file = File::options().write(true).open(&path).map_err(io_error(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(DataDirError::Locked { path: dir.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(DataDirError::Io { path, source }),
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> DataDirError {
    move |source| DataDirError::Io { path: path.to_owned(), source }
}

fn create_private_dir(path: &Path) -> Result<(), DataDirError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(io_error(path))?;
    check_private(path, 0o077, "700")
}

#[cfg(unix)]
fn check_private(path: &Path, others: u32, mode: &'static str) -> Result<(), DataDirError> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = fs::metadata(path).map_err(io_error(path))?.permissions();
    if permissions.mode() & others != 0 {
        return Err(DataDirError::NotPrivate { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_path: &Path, _others: u32, _mode: &'static str) -> Result<(), DataDirError> {
    Ok(())
}
