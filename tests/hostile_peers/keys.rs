//! A member with many keys and a link for each: honest members keep their links and continue to talk.
//!
//! `tests/engine` shows that known peers still get a link when all places for new ones are taken.

use crate::raw::{Raw, at_most_more, resident_bytes, still_talk, two_members};
use crate::support::until;

const KEYS: u8 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_each_of_many_keys_costs_little_and_stops_nobody() {
    let [ann, mut bob] = two_members();
    let before = resident_bytes(ann.process());
    let mut links = Vec::new();
    for number in 0..KEYS {
        let mut seed = [95; 32];
        seed[0] = number;
        links.push(Raw::with_key(&ann, seed).link(&ann).await.idle());
    }
    still_talk([&ann, &bob], "in the crowd");
    bob.stop();
    bob.start();
    until("bob is linked again", || ann.links().contains(&bob.key().to_owned()));
    still_talk([&ann, &bob], "back in the crowd");
    at_most_more(before, ann.process(), 64 << 20, "200 links");
    assert!(links.iter().all(|link| !link.is_finished()), "some were closed");
}
