//! How a browser logs in: it exchanges a one-time link for a cookie.
//!
//! The code of a link stands behind the `#` of its URL, so a browser does not send it with requests; it can
//! be used once, for a short time. The cookie is another random value. Only its hash is stored, in the file
//! `page.json`, so that a page stays logged in when the peer restarts. The API's own token never reaches a
//! browser.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use peer_engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::limits::{LINK_CODE_MS_MAX, LINK_CODES_MAX, SESSION_S_MAX, SESSIONS_MAX};
use crate::node::write_private;

const FILE: &str = "page.json";

/// The links that were issued, and the browsers that are logged in.
pub(super) struct Login {
    address: SocketAddr,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    codes: Vec<(Hash, Instant)>,
    sessions: Vec<Session>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// The last port of the API: bookmarks and drafts of a page belong to its origin, port included.
    port: Option<u16>,
    sessions: Vec<Session>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    hash: Hash,
    until: Timestamp,
}

/// The hash of a secret: only hashes are stored and compared, so that neither disk nor timing reveals it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Hash([u8; 32]);

impl Hash {
    fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Login {
    /// If the stored sessions cannot be read, they are dropped: their browsers log in again.
    pub fn open(data: &Path, address: SocketAddr) -> io::Result<Self> {
        let path = data.join(FILE);
        let kept = Kept::read(&path);
        let login =
            Self { address, path, state: Mutex::new(State { codes: Vec::new(), sessions: kept.sessions }) };
        login.keep(&login.state())?;
        Ok(login)
    }

    /// The last port of this data directory's API.
    pub fn last_port(data: &Path) -> Option<u16> {
        Kept::read(&data.join(FILE)).port
    }

    /// A URL that logs one browser in.
    pub fn link(&self) -> Result<String, getrandom::Error> {
        let code = secret()?;
        let now = Instant::now();
        let mut state = self.state();
        state.codes.retain(|(_, until)| *until > now);
        if state.codes.len() >= LINK_CODES_MAX {
            state.codes.remove(0);
        }
        state.codes.push((Hash::of(code.as_bytes()), now + Duration::from_millis(LINK_CODE_MS_MAX)));
        Ok(format!("http://{}/#open={code}", self.address))
    }

    /// The `Set-Cookie` for the browser that sends this code; `None` if the code is wrong, used or expired.
    pub fn exchange(&self, code: &str, now: Timestamp) -> io::Result<Option<String>> {
        let presented = Hash::of(code.as_bytes());
        let mut state = self.state();
        let Some(found) = state.codes.iter().position(|(hash, _)| hash.is(&presented)) else {
            return Ok(None);
        };
        let (_, until) = state.codes.remove(found);
        if until <= Instant::now() {
            return Ok(None);
        }
        let value = secret().map_err(io::Error::other)?;
        state.sessions.retain(|session| session.until > now);
        if state.sessions.len() >= SESSIONS_MAX {
            state.sessions.remove(0);
        }
        let until = Timestamp::clamped(now.millis() + 1000 * SESSION_S_MAX);
        state.sessions.push(Session { hash: Hash::of(value.as_bytes()), until });
        self.keep(&state)?;
        Ok(Some(self.cookie(&value, SESSION_S_MAX)))
    }

    /// Whether a `Cookie` header holds a session.
    pub fn admits(&self, cookies: &[u8], now: Timestamp) -> bool {
        let Some(presented) = self.presented(cookies) else { return false };
        // Compares with all sessions, so that the time does not reveal which one matched.
        self.state()
            .sessions
            .iter()
            .fold(false, |found, session| found | (session.hash.is(&presented) & (session.until > now)))
    }

    /// Ends the session of a `Cookie` header. Returns the `Set-Cookie` that deletes the browser's cookie.
    pub fn end(&self, cookies: &[u8]) -> io::Result<String> {
        if let Some(presented) = self.presented(cookies) {
            let mut state = self.state();
            state.sessions.retain(|session| !session.hash.is(&presented));
            self.keep(&state)?;
        }
        Ok(self.cookie("", 0))
    }

    fn presented(&self, cookies: &[u8]) -> Option<Hash> {
        let name = self.name();
        let mut pairs = cookies.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let value = pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Some(Hash::of(value))
    }

    /// Browsers share cookies among all ports of a host: the port in the name keeps two local peers apart.
    fn name(&self) -> String {
        format!("peer_{}", self.address.port())
    }

    fn cookie(&self, value: &str, seconds: i64) -> String {
        format!("{}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}", self.name())
    }

    fn keep(&self, state: &State) -> io::Result<()> {
        let kept = Kept { port: Some(self.address.port()), sessions: state.sessions.clone() };
        write_private(&self.path, &serde_json::to_vec(&kept)?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held cannot leave the lists half changed.
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Kept {
    fn read(path: &Path) -> Self {
        fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

/// 32 random bytes as text.
fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::clamped(NOW + seconds * 1000)
    }

    fn open(data: &Path) -> Login {
        Login::open(data, "127.0.0.1:4000".parse().unwrap()).unwrap()
    }

    fn code(login: &Login) -> String {
        login.link().unwrap().split_once("#open=").unwrap().1.to_owned()
    }

    fn enter(login: &Login) -> String {
        let cookie = login.exchange(&code(login), at(0)).unwrap().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_link_is_good_once_and_its_cookie_until_it_ends() {
        let data = tempfile::tempdir().unwrap();
        let login = open(data.path());
        let code = code(&login);
        let set = login.exchange(&code, at(0)).unwrap().unwrap();
        assert!(
            set.starts_with("peer_4000=") && set.contains("; HttpOnly; SameSite=Strict; Path=/;"),
            "{set}"
        );
        assert!(!set.contains(&code));
        assert!(login.exchange(&code, at(0)).unwrap().is_none());
        let cookie = set.split(';').next().unwrap();
        assert!(login.admits(format!("a=b; {cookie}").as_bytes(), at(1)));
        assert!(!login.admits(cookie.as_bytes(), at(SESSION_S_MAX + 1)));
        for wrong in ["", "peer_4000=", "peer_4001=x", &cookie[..cookie.len() - 1], &cookie[1..]] {
            assert!(!login.admits(wrong.as_bytes(), at(1)), "{wrong}");
        }
        login.end(cookie.as_bytes()).unwrap();
        assert!(!login.admits(cookie.as_bytes(), at(1)));
    }

    #[test]
    fn an_old_link_is_good_no_more() {
        let data = tempfile::tempdir().unwrap();
        let login = open(data.path());
        let code = code(&login);
        login.state().codes[0].1 = Instant::now();
        assert!(login.exchange(&code, at(0)).unwrap().is_none());
    }

    #[test]
    fn sessions_outlive_a_restart_as_hashes_in_a_private_file() {
        let data = tempfile::tempdir().unwrap();
        let cookie = enter(&open(data.path()));
        assert!(open(data.path()).admits(cookie.as_bytes(), at(1)));
        assert_eq!(Login::last_port(data.path()), Some(4000));
        let value = cookie.split_once('=').unwrap().1;
        assert!(!fs::read_to_string(data.path().join(FILE)).unwrap().contains(value));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(data.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(data.path().join(FILE), "{").unwrap();
        assert!(!open(data.path()).admits(cookie.as_bytes(), at(1)));
    }

    #[test]
    fn links_and_sessions_are_bounded() {
        let data = tempfile::tempdir().unwrap();
        let login = open(data.path());
        let oldest = code(&login);
        for _ in 0..LINK_CODES_MAX {
            code(&login);
        }
        assert!(login.exchange(&oldest, at(0)).unwrap().is_none());
        let first = enter(&login);
        let second = enter(&login);
        for _ in 1..SESSIONS_MAX {
            enter(&login);
        }
        assert!(!login.admits(first.as_bytes(), at(1)));
        assert!(login.admits(second.as_bytes(), at(1)));
    }
}
