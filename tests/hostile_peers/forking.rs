//! An author that sends different changes to two peers: everybody gets both, and everybody has the proof.

use crate::raw::{Raw, flags, still_talk};
use crate::support::{Member, converged, full_mesh, said, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_forks_two_sides_reach_everybody_and_everybody_flags_the_author() {
    let ann = Member::in_group("ann", None);
    let bob = Member::in_group("bob", Some(&ann.ticket()));
    let cid = Member::in_group("cid", Some(&ann.ticket()));
    full_mesh(&[&ann, &bob, &cid]);
    let raw = Raw::new(&ann, 70);
    // The same actor and sequence number, twice.
    let (left, right) = (raw.writer(0).write("fork: yes"), raw.writer(0).write("fork: no"));
    let (mut to_ann, mut to_bob) = (raw.link(&ann).await, raw.link(&bob).await);
    assert!(to_ann.push(&[left]).await && to_bob.push(&[right]).await);
    let links = [to_ann.idle(), to_bob.idle()];
    for member in [&ann, &bob, &cid] {
        until("both sides are here", || said(&member.history(), "fork:").len() == 2);
        until("the author is flagged", || {
            flags(member, &raw.key()).iter().any(|flag| {
                flag["reason"].as_str().unwrap().contains("in one place") && flag["group"] == "rust"
            })
        });
    }
    converged(&[&ann, &bob, &cid]);
    // The author is flagged for what it wrote: its links stay open.
    assert!(links.iter().all(|link| !link.is_finished()));
    assert!([&ann, &bob, &cid].iter().all(|member| flags(member, &raw.key()).len() == 1));
    still_talk([&ann, &bob], "after the fork");
}
