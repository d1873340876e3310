//! A change that a Bloom filter claimed wrongly is requested by its hash, and only that change is sent.

use peer_engine::change::Verified;
use peer_engine::id::ChangeHash;
use peer_engine::wire::bloom::Bloom;
use peer_engine::wire::sync_message::{Have, SyncMessage};

use crate::graph::{Bench, Graph, author, group, message};

fn sent(bench: &mut Bench) -> usize {
    std::mem::take(&mut bench.sent).iter().map(|message| message.changes.len()).sum()
}

#[test]
fn what_waits_for_a_change_that_is_asked_for_is_not_sent_again_with_it() {
    let mut graph = Graph::default();
    let mut chain = |number: u8, length: i64| -> Vec<ChangeHash> {
        let mut last = group().genesis();
        let link = |at| {
            last = graph.add(graph.sign(&author(number), 0, vec![last], message(at, "hello")));
            last
        };
        (0..length).map(link).collect()
    };
    let (holed, whole) = (chain(1, 20), chain(2, 5));
    let changes: Vec<Verified> = graph.changes;
    let mut bench = Bench::linked(&changes, &[]);
    bench.sent.clear();

    // The other side has an unknown head, and its filter claims the first change of the longer chain.
    let theirs = ChangeHash([9; 32]);
    let have = vec![Have { last_sync: vec![group().genesis()], bloom: Bloom::from_hashes([holed[0]]) }];
    bench.hear(SyncMessage { heads: vec![theirs], have, ..SyncMessage::default() }, Vec::new());
    assert_eq!(sent(&mut bench), whole.len() + holed.len() - 1);

    // The rest has arrived: the shorter chain is stored, the longer one waits, which heads cannot show.
    let repair = |need| SyncMessage { heads: vec![whole[4]], need, ..SyncMessage::default() };
    bench.hear(repair(vec![holed[0]]), Vec::new());
    assert_eq!(sent(&mut bench), 1);
    // A change that is requested by its hash is sent even if it was sent before.
    bench.hear(repair(vec![holed[7]]), Vec::new());
    assert_eq!(sent(&mut bench), 1);
}
