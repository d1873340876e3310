//! A returning peer transfers what it missed, not what it has: counted in bytes on the wire, in both
//! directions, including connection setup.

use crate::support::{Member, converged, said};

const MISSED: usize = 10;

struct Costs {
    /// One peer was off, and the other one wrote.
    behind: u64,
    /// Both wrote while they were apart.
    apart: u64,
    /// Both wrote while they were apart, after one of them had been killed while they were linked.
    killed: u64,
}

impl Costs {
    fn of_a_group_of(entries: usize) -> Self {
        let mut anna = Member::in_group("anna", None);
        let history: Vec<String> = (0..entries - 2).map(|number| format!("one of many: {number}")).collect();
        assert_eq!(anna.send_lines(&history).len(), history.len());
        let mut ben = Member::in_group("ben", Some(&anna.ticket()));
        assert_eq!(converged(&[&anna, &ben]).len(), entries);

        ben.stop();
        let behind = rejoin(&anna, &mut ben, "missed", |anna, ben| write(&[(anna, "missed")], ben));
        ben.stop();
        let both = |anna: &Member, ben: &Member| write(&[(anna, "anna alone"), (ben, "ben alone")], ben);
        let apart = rejoin(&anna, &mut ben, "anna alone", both);
        ben.kill();
        let both = |anna: &Member, ben: &Member| write(&[(anna, "after the kill"), (ben, "ben killed")], ben);
        let killed = rejoin(&anna, &mut ben, "after the kill", both);
        anna.stop();
        Self { behind, apart, killed }
    }
}

fn write(what: &[(&Member, &str)], _off: &Member) {
    for (member, prefix) in what {
        let lines: Vec<String> = (0..MISSED).map(|number| format!("{prefix} {number}")).collect();
        member.send_lines(&lines);
    }
}

/// The bytes on the wire from Ben's start until both show the same.
fn rejoin(anna: &Member, ben: &mut Member, prefix: &str, while_apart: impl Fn(&Member, &Member)) -> u64 {
    while_apart(anna, ben);
    let bytes = |ben: &Member| anna.proxy.bytes() + ben.proxy.bytes();
    let before = bytes(ben);
    ben.start();
    let rows = converged(&[anna, ben]);
    assert_eq!(said(&rows, prefix).len(), MISSED);
    bytes(ben) - before
}

#[test]
fn ten_missed_messages_cost_the_same_in_a_large_group() {
    let small = Costs::of_a_group_of(1_000);
    let large = Costs::of_a_group_of(50_000);
    for (what, small, large) in [
        ("one was off", small.behind, large.behind),
        ("both wrote apart", small.apart, large.apart),
        ("both wrote apart, one was killed", small.killed, large.killed),
    ] {
        eprintln!("{what}: {small} bytes in a group of 1,000 entries, {large} in one of 50,000");
        assert!(large < 2 * small && large < 64 * 1024, "{what}: {small} and {large} bytes");
    }
}
