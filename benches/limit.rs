//! The lower bound of the receive path on this machine, measured from its bare parts, and how near the
//! receive path comes to it, in one run. The bound follows from the promises: every signature is verified,
//! and every entry hashed and flushed to disk before anybody is told of it.
//!
//! `cargo bench --bench limit`

mod history;

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use peer::limits::VERIFIED_IN_ONE_GO_MAX;
use peer::store::SqliteStore;
use peer_engine::change::{Unverified, Verified};
use peer_engine::group::{Verdict, admit};
use peer_engine::identity::{self, Batch, Identity};
use peer_engine::limits::{BATCH_BYTES, COMMIT_BYTES};
use peer_engine::store::Store;
use sha2::{Digest, Sha256};

use history::{Author, Disk, genesis};

const MESSAGES: usize = 50_000;
/// Repetitions of measurements that take very little time.
const ROUNDS: usize = 200;
/// Repetitions of longer measurements. The bound and the receive path take turns, so that other programs
/// disturb both alike.
const TURNS: usize = 7;

fn main() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut author = Author::new();
    let changes: Vec<Verified> = (0..MESSAGES).map(|_| author.write()).collect();
    let bytes = changes.iter().map(|change| change.bytes().len()).sum::<usize>() / MESSAGES;
    let together = COMMIT_BYTES / bytes;
    println!("{MESSAGES} messages of {bytes} bytes, {cores} cores, medians");

    let sign = each(1_000, signing());
    let verify = each(2_000, verifying(2_000, 1));
    let flush = flushing();
    let trip = round_trip(bytes);
    let mut turns: [Vec<Duration>; 5] = Default::default();
    for _ in 0..TURNS {
        let times = [
            each(8_192, verifying(8_192, VERIFIED_IN_ONE_GO_MAX)),
            on_all_cores(cores),
            each(MESSAGES, hashing(&changes)),
            inserting(&changes, together),
            receiving(&changes, BATCH_BYTES / bytes, cores),
        ];
        turns.iter_mut().zip(times).for_each(|(turns, time)| turns.push(time));
    }
    let [verify_together, verified, hash, insert, ours] = turns.map(middle);
    println!("\nbare parts, a message each");
    row("sign", sign);
    row("verify", verify);
    row(&format!("verify, {VERIFIED_IN_ONE_GO_MAX} together"), verify_together);
    row("the same on all cores", verified);
    row("SHA-256", hash);
    row(&format!("SQLite insert, {together} with one flush"), insert);
    row("flush of 4 KiB", flush);
    row("loopback round trip", trip);

    let shared = verified + (hash + insert) / cores as u32;
    let limit = shared.max(insert);
    println!("\nreceive path");
    rate("limit", limit);
    rate("this program", ours);
    println!("{:<36}{:>9.0} %", "  of the limit", 100.0 * limit.as_secs_f64() / ours.as_secs_f64());
    println!("\nlive latency, at least: sign, flush, half a round trip, verify");
    row("limit", sign + flush + trip / 2 + verify);
    println!("\na fresh join of 100,000, at least");
    println!("{:<36}{:>9.2} s", "  limit", limit.as_secs_f64() * 100_000.0);
}

fn row(name: &str, time: Duration) {
    println!("  {name:<34}{:>9.1} µs", time.as_secs_f64() * 1e6);
}

fn rate(name: &str, time: Duration) {
    println!("  {name:<34}{:>9.1} µs {:>9.0} messages/s", time.as_secs_f64() * 1e6, 1.0 / time.as_secs_f64());
}

/// The average time of one of `count` repetitions.
fn each(count: usize, work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed() / count as u32
}

fn signing() -> impl FnOnce() {
    let identity = Identity::from_seed(&[7; 32]);
    move || {
        for number in 0..1_000u32 {
            black_box(identity.sign(&message(number)));
        }
    }
}

fn message(number: u32) -> [u8; 250] {
    let mut message = [7; 250];
    message[..4].copy_from_slice(&number.to_le_bytes());
    message
}

/// Verifies signatures in batches of `together`, as a node does.
fn verifying(count: u32, together: usize) -> impl FnOnce() + Send {
    let identity = Identity::from_seed(&[7; 32]);
    let key = identity.peer();
    let signed: Vec<_> =
        (0..count).map(|number| (message(number), identity.sign(&message(number)))).collect();
    move || {
        for part in signed.chunks(together) {
            if let [(message, signature)] = part {
                assert!(identity::verify(black_box(&key), message, signature));
                continue;
            }
            let mut batch = Batch::default();
            part.iter().for_each(|(message, signature)| batch.add(black_box(&key), message, signature));
            assert!(batch.verify([1; 32]));
        }
    }
}

fn on_all_cores(cores: usize) -> Duration {
    let work: Vec<_> = (0..cores).map(|_| verifying(8_192, VERIFIED_IN_ONE_GO_MAX)).collect();
    each(8_192 * cores, || {
        thread::scope(|scope| work.into_iter().for_each(|work| drop(scope.spawn(work))));
    })
}

fn hashing(changes: &[Verified]) -> impl FnOnce() {
    move || {
        for change in changes {
            black_box(Sha256::digest(&change.bytes()[8..]));
        }
    }
}

/// Inserts the bare bytes, with a flush at each commit.
fn inserting(changes: &[Verified], together: usize) -> Duration {
    let dir = tempfile::tempdir().expect("a directory");
    let db = rusqlite::Connection::open(dir.path().join("bare.db")).expect("a database");
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE log (id INTEGER PRIMARY KEY, bytes BLOB)",
    )
    .expect("a table");
    each(changes.len(), || {
        for part in changes.chunks(together) {
            db.execute_batch("BEGIN").expect("begin");
            let mut insert = db.prepare_cached("INSERT INTO log (bytes) VALUES (?1)").expect("an insert");
            for change in part {
                insert.execute([&change.bytes()[..]]).expect("inserted");
            }
            db.execute_batch("COMMIT").expect("commit");
        }
    })
}

fn flushing() -> Duration {
    let dir = tempfile::tempdir().expect("a directory");
    let mut file = std::fs::File::create(dir.path().join("file")).expect("a file");
    median(|| {
        file.write_all(&[1; 4096]).expect("written");
        file.sync_data().expect("flushed");
    })
}

fn round_trip(bytes: usize) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let mut here = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    let (mut there, _) = listener.accept().expect("accepted");
    for stream in [&here, &there] {
        stream.set_nodelay(true).expect("no delay");
    }
    let echo = thread::spawn(move || {
        let mut buffer = vec![0; bytes];
        while there.read_exact(&mut buffer).and_then(|()| there.write_all(&buffer)).is_ok() {}
    });
    let mut buffer = vec![1; bytes];
    let time = median(|| {
        here.write_all(&buffer).expect("sent");
        here.read_exact(&mut buffer).expect("echoed");
    });
    drop(here);
    echo.join().expect("the echo ends");
    time
}

fn median(mut work: impl FnMut()) -> Duration {
    middle((0..ROUNDS).map(|_| each(1, &mut work)).collect())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Receives messages of `batch` changes each from a link, as a node does: each core decodes and verifies one
/// message, while earlier messages are admitted, indexed and committed, and their log is moved into the
/// database.
fn receiving(changes: &[Verified], batch: usize, cores: usize) -> Duration {
    let mut disk = Disk::of(0);
    let group = disk.group;
    let path = disk.store.path().to_owned();
    each(changes.len(), || {
        thread::scope(|scope| {
            let mut moving = scope.spawn(|| ());
            let verified: Vec<_> = (0..cores)
                .map(|core| {
                    let (sender, verified) = std::sync::mpsc::sync_channel::<Vec<Verified>>(4);
                    scope.spawn(move || {
                        for batch in changes.chunks(batch).skip(core).step_by(cores) {
                            sender.send(gate(batch)).expect("taken in");
                        }
                    });
                    verified
                })
                .collect();
            for (number, _) in changes.chunks(batch).enumerate() {
                for change in verified[number % cores].recv().expect("verified") {
                    let Verdict::Admitted(admitted) = admit(&disk.store, group, change).expect("judged")
                    else {
                        panic!("not admitted");
                    };
                    disk.store.append(group, &admitted).expect("stored");
                }
                if (number + 1).is_multiple_of(COMMIT_BYTES / BATCH_BYTES) {
                    disk.store.commit().expect("committed");
                    if disk.store.take_checkpoint_due(false) && moving.is_finished() {
                        moving = scope.spawn(|| SqliteStore::checkpoint(&path).expect("moved"));
                    }
                }
            }
            disk.store.commit().expect("committed");
        });
    })
}

fn gate(changes: &[Verified]) -> Vec<Verified> {
    let changes = changes.iter().map(|change| Unverified::decode(change.bytes()).expect("well formed"));
    Unverified::verify_all(changes.collect(), genesis().id(), [1; 32]).expect("signed")
}
