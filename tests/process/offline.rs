//! Sending needs no other peer, and no running process.

use crate::support::{GROUP, Member, converged, said};

#[test]
fn what_was_written_while_nothing_ran_merges_after_the_start() {
    let mut anna = Member::in_group("anna", None);
    let mut ben = Member::in_group("ben", Some(&anna.ticket()));
    anna.run(&["send", GROUP, "together"]).ok();
    converged(&[&anna, &ben]);
    anna.stop();
    ben.stop();

    for (member, name) in [(&anna, "anna"), (&ben, "ben")] {
        let lines: Vec<String> = (0..120).map(|number| format!("{name} {number}")).collect();
        assert_eq!(member.send_lines(&lines).len(), 120);
        // Each command is a separate process, but the same author.
        for number in 120..125 {
            let sent = member.json(&["send", GROUP, &format!("{name} {number}")]);
            assert_eq!(sent[0]["stored_on"], 1);
        }
        member.run(&["groups", "topic", GROUP, &format!("as {name} sees it")]).ok();
        member.run(&["name", &format!("{name} the second")]).ok();
        let own: Vec<String> = (0..125).map(|number| format!("{name} {number}")).collect();
        assert_eq!(said(&member.history(), name), own);
    }

    anna.start();
    ben.start();
    let rows = converged(&[&anna, &ben]);
    for name in ["anna", "ben"] {
        let own: Vec<String> = (0..125).map(|number| format!("{name} {number}")).collect();
        assert_eq!(said(&rows, name), own);
    }
    assert_eq!(said(&rows, "").len(), 251);
    let topics = [&anna, &ben].map(|member| member.json(&["groups"])[0]["topic"].clone());
    assert_eq!(topics[0], topics[1]);
}
