//! Strangers at the port that send nothing or send slowly: members continue to talk, memory stays bounded,
//! and each stranger is dropped.
//!
//! The test takes ten seconds; with `PEER_HOSTILE_FULL=1` a minute, with 1,200 strangers at a time. The
//! latency of messages between members meanwhile is printed, but not checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use peer::api::{Client, Events, EventsQuery, NewMessage, What};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::{PATIENCE, Raw, at_most_more, resident_bytes, still_talk, two_members};
use crate::support::{GROUP, converged};

/// The outcomes of the strangers' connections.
#[derive(Default)]
struct Fates {
    connected: AtomicUsize,
    dropped: AtomicUsize,
    heard_bytes: AtomicUsize,
    longest_ms: AtomicUsize,
}

/// Connects again and again until told to stop. On each connection it sends nothing, or the beginning of a
/// TLS handshake at one byte a second, and holds it until the other side closes it.
async fn be_strange(address: String, slow: bool, stop: Arc<AtomicBool>, fates: Arc<Fates>) {
    while !stop.load(Ordering::SeqCst) {
        let Ok(stream) = TcpStream::connect(&address).await else { continue };
        let since = Instant::now();
        fates.connected.fetch_add(1, Ordering::SeqCst);
        let (mut reader, mut writer) = stream.into_split();
        let trickle = tokio::spawn(async move {
            // The header of a TLS record of the largest size, which is never completed.
            let mut record = [0x16, 3, 1, 0x3f, 0xff].into_iter().chain(std::iter::repeat(0));
            // If the listen queue is full, the system may not notify a refused client. One byte later on
            // makes it do so.
            tokio::time::sleep(Duration::from_secs(if slow { 0 } else { 20 })).await;
            while writer.write_all(&[record.next().unwrap()]).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            std::future::pending::<()>().await;
        });
        let mut heard = Vec::new();
        // An error is an end of the connection, too.
        let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut heard)).await;
        assert!(read.is_ok(), "a stranger was not dropped within {PATIENCE:?}");
        trickle.abort();
        fates.dropped.fetch_add(1, Ordering::SeqCst);
        fates.heard_bytes.fetch_max(heard.len(), Ordering::SeqCst);
        fates.longest_ms.fetch_max(since.elapsed().as_millis() as usize, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The time from a member's send until the other's stream of events has the message: the median and the 99th
/// percentile, in milliseconds.
async fn latency(from: &Client, events: &mut Events, for_ms: u64) -> (f64, f64) {
    let group = GROUP.parse().unwrap();
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_millis(for_ms) {
        let message = NewMessage { body: "how long does it take?".to_owned(), ..NewMessage::default() };
        let sent = Instant::now();
        let id = from.send(&group, vec![message], Duration::ZERO).await.unwrap().remove(0).id;
        while !matches!(events.next().await.unwrap().unwrap().what, What::Entry { row } if row.id == id) {}
        took.push(sent.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    took.sort_by(f64::total_cmp);
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_strangers_is_dropped_and_disturbs_no_member() {
    let full = std::env::var_os("PEER_HOSTILE_FULL").is_some();
    let (half_open, slow, for_ms) = if full { (1_000, 200, 60_000) } else { (500, 100, 8_000) };
    let members = two_members();
    // The strangers connect to one member; messages from the other have to get past them.
    let from = Client::open(&members[1].data).await.unwrap();
    let at = Client::open(&members[0].data).await.unwrap();
    let mut events = at.events(&EventsQuery::default()).await.unwrap();
    let before = latency(&from, &mut events, for_ms).await;

    let resident = resident_bytes(members[0].process());
    let (stop, fates) = (Arc::<AtomicBool>::default(), Arc::<Fates>::default());
    let strange = |slow| tokio::spawn(be_strange(members[0].listens_on(), slow, stop.clone(), fates.clone()));
    let strangers: Vec<_> = (0..half_open + slow).map(|number| strange(number < slow)).collect();
    let during = latency(&from, &mut events, for_ms).await;
    // A newcomer can join meanwhile.
    let newcomer = Raw::new(&members[0], 98);
    while newcomer.try_link(&members[0]).await.is_err() {}
    still_talk(members.each_ref(), "in the crowd");
    at_most_more(resident, members[0].process(), 64 << 20, "strangers at the port");
    stop.store(true, Ordering::SeqCst);
    for stranger in strangers {
        stranger.await.unwrap();
    }
    let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
    eprintln!(
        "{} connections of strangers, the longest of {:.1} s; from one member to another, median and 99 %: {:.1} \
         and {:.1} ms undisturbed, {:.1} and {:.1} ms among them",
        count(&fates.connected),
        count(&fates.longest_ms) as f64 / 1000.0,
        before.0,
        before.1,
        during.0,
        during.1
    );
    assert_eq!(count(&fates.connected), count(&fates.dropped));
    assert!(count(&fates.connected) >= half_open + slow);
    // At most a TLS alert.
    assert!(count(&fates.heard_bytes) <= 7, "strangers heard {} bytes", count(&fates.heard_bytes));
    still_talk(members.each_ref(), "when they are gone");
    converged(&[&members[0], &members[1]]);
}
