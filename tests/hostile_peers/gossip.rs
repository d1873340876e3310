//! A member that announces a thousand peers that do not exist: a few are dialled at a time, and real peers
//! are not delayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use peer_engine::id::PeerId;
use peer_engine::limits::{GOSSIP_MAX, HEARSAY_DIALS_IN_A_ROW_MAX, HEARSAY_DIALS_MAX};
use peer_engine::wire::frame::PeerRecord;

use crate::raw::{Raw, at_most_more, resident_bytes, still_talk, two_members};
use crate::support::{full_mesh, until};

/// A port that accepts connections and sends nothing; counts them in total, and how many at a time.
async fn trap() -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (count, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (counted, peak) = (count.clone(), most.clone());
    tokio::spawn(async move {
        let open = Arc::<AtomicUsize>::default();
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            peak.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let open = open.clone();
            tokio::spawn(async move {
                // Holds the connection until the dialler gives up.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, count, most)
}

#[tokio::test(flavor = "multi_thread")]
async fn false_addresses_are_dialled_sparingly_and_hold_up_no_true_peer() {
    let [ann, mut bob] = two_members();
    full_mesh(&[&ann, &bob]);
    let (address, dialled, at_once) = trap().await;
    let raw = Raw::new(&ann, 94);
    let before = resident_bytes(ann.process());
    let mut link = raw.link(&ann).await;
    let lie = |number: u16| {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        PeerRecord { key: PeerId(key), addresses: vec![address.clone()] }
    };
    link.tell_of(&(0..1_000).map(lie).collect::<Vec<_>>()).await;
    let link = link.idle();
    until("the trap is full", || dialled.load(Ordering::SeqCst) >= HEARSAY_DIALS_MAX);
    // A real peer stops and comes back.
    bob.stop();
    bob.start();
    until("bob is linked again", || ann.links().contains(&bob.key().to_owned()));
    still_talk([&ann, &bob], "among lies");
    let learnt = ann.status()["unreachable"].as_array().unwrap().len();
    // More are learnt with time, for as long as the test runs.
    assert!((1..GOSSIP_MAX as usize + 100).contains(&learnt), "it has learnt {learnt} peers");
    at_most_more(before, ann.process(), 16 << 20, "a thousand lies");
    let at_once = at_once.load(Ordering::SeqCst);
    let dialled = dialled.load(Ordering::SeqCst);
    eprintln!("{dialled} dials of false addresses, {at_once} at once");
    // A connection that the dialler has given up may still be open at the trap.
    assert!(at_once <= 2 * HEARSAY_DIALS_MAX, "{at_once} dials at once");
    assert!(dialled as u64 <= 10 * HEARSAY_DIALS_IN_A_ROW_MAX);
    assert!(!link.is_finished());
}
