//! A connection between peers that can be cut: each peer advertises a proxy in front of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// Forwards connections to one peer. The listening thread ends with the test's process.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    bytes: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    target: Option<SocketAddr>,
    cut: bool,
    connections: Vec<Connection>,
}

struct Connection {
    /// Whether it stays up during a cut.
    inside: bool,
    frozen: Arc<Mutex<()>>,
    client: TcpStream,
    peer: TcpStream,
}

impl Proxy {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, bytes) = (Arc::<Mutex<State>>::default(), Arc::<AtomicU64>::default());
        let (shared, counted) = (state.clone(), bytes.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                connect(client.unwrap(), &shared, &counted);
            }
        });
        Self { address, state, bytes }
    }

    pub fn forward_to(&self, target: SocketAddr) {
        self.state().target = Some(target);
    }

    /// Connections that are open now stay open during a cut.
    pub fn keep_present(&self) {
        self.state().connections.iter_mut().for_each(|connection| connection.inside = true);
    }

    /// Closes connections, and refuses new ones.
    pub fn cut(&self) {
        let mut state = self.state();
        state.cut = true;
        state.connections.retain(|connection| connection.inside || connection.end());
    }

    pub fn heal(&self) {
        self.state().cut = false;
    }

    /// The bytes in both directions since the beginning.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    /// Stops forwarding on the open connections without closing them, until the returned guards are dropped.
    pub fn freeze(&self) -> Freeze {
        let locks: Vec<Arc<Mutex<()>>> =
            self.state().connections.iter().map(|connection| connection.frozen.clone()).collect();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (ready, frozen) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let held: Vec<MutexGuard<'_, ()>> = locks.iter().map(|lock| lock.lock().unwrap()).collect();
            ready.send(()).unwrap();
            let _ = released.recv();
            drop(held);
        });
        frozen.recv().unwrap();
        Freeze(release)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Holds back all bytes until it is dropped.
pub struct Freeze(#[allow(dead_code, reason = "its end is what counts")] std::sync::mpsc::Sender<()>);

impl Connection {
    /// Closes the connection. Always `false`, so that `retain` drops it.
    fn end(&self) -> bool {
        for stream in [&self.client, &self.peer] {
            // The connection may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        false
    }
}

fn connect(client: TcpStream, state: &Arc<Mutex<State>>, bytes: &Arc<AtomicU64>) {
    let mut state = state.lock().unwrap();
    let Some(target) = state.target.filter(|_| !state.cut) else { return };
    let Ok(peer) = TcpStream::connect(target) else { return };
    let frozen = Arc::<Mutex<()>>::default();
    for (from, to) in [(&client, &peer), (&peer, &client)] {
        from.set_nodelay(true).unwrap();
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let (bytes, frozen) = (bytes.clone(), frozen.clone());
        thread::spawn(move || pass_on(from, to, &bytes, &frozen));
    }
    state.connections.push(Connection { inside: false, frozen, client, peer });
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, bytes: &AtomicU64, frozen: &Mutex<()>) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        drop(frozen.lock().unwrap());
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
        bytes.fetch_add(length as u64, Ordering::SeqCst);
    }
    // Either side may have ended already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
