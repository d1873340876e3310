//! A member whose clock is at the end of time: what it writes is kept, its clock is flagged everywhere, and
//! others continue to talk.

use peer_engine::time::Timestamp;

use crate::raw::{Raw, flags, still_talk, two_members};
use crate::support::{converged, said, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_year_9999_is_flagged_by_everybody_and_stops_nobody() {
    let members = two_members();
    let raw = Raw::new(&members[0], 90);
    let mut link = raw.link(&members[0]).await;
    assert!(link.push(&[raw.writer(0).write_at(Timestamp::MAX, "the end of time")]).await);
    let link = link.idle();
    for member in &members {
        until("it is here", || said(&member.history(), "the end").len() == 1);
        let flags = flags(member, &raw.key());
        assert!(flags[0]["reason"].as_str().unwrap().contains("9999-12-31"), "{flags:?}");
    }
    still_talk(members.each_ref(), "after the end");
    let history = converged(&[&members[0], &members[1]]);
    // No entry is shown above an entry that its author had seen, and no other author is flagged.
    let order = said(&history, "");
    let at = |prefix: &str| order.iter().position(|body| body.starts_with(prefix)).unwrap();
    assert!(
        at("the end") < at("after the end from 0") && at("after the end from 0") < at("after the end from 1")
    );
    for member in &members {
        assert_eq!(member.status()["flagged"].as_array().unwrap().len(), 1);
    }
    assert!(!link.is_finished());
}
