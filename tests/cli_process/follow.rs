//! Two peers, and a history that is followed.

use serde_json::Value;

use crate::peer::{Peer, Running};

#[test]
fn a_follower_sees_what_arrives_once_and_stops_on_interrupt() {
    let (anna, ben) = (Peer::created("anna"), Peer::nowhere());
    anna.feed(&["send", "rust"], b"1\n2\n3\n").ok();
    let server = anna.serve(&[]);
    let other = ben.serve(&["--name", "ben", "--join", &server.ticket()]);

    let mut follower =
        Running::spawn(anna.command(&["history", "rust", "--limit", "2", "--follow", "--json"]));
    let body = |follower: &mut Running| {
        let line = follower.line();
        serde_json::from_str::<Value>(&line).expect(&line)["body"].as_str().unwrap().to_owned()
    };
    assert_eq!([body(&mut follower), body(&mut follower)], ["2", "3"]);
    for text in ["4", "5"] {
        anna.run(&["send", "rust", text]).ok();
        assert_eq!(body(&mut follower), text);
    }
    // Ben learns of the group without a command; his joining is an entry too.
    ben.run(&["groups", "create", "rust"]).ok();
    assert_eq!(body(&mut follower), "");
    ben.run(&["send", "rust", "from ben"]).ok();
    assert_eq!(body(&mut follower), "from ben");
    follower.signal("INT");
    assert_eq!(follower.end(), (0, String::new()));

    // A peer that stops ends its followers, and they say so.
    let mut follower = Running::spawn(anna.command(&["history", "rust", "--limit", "1", "--follow"]));
    assert!(follower.line().ends_with("  from ben"));
    anna.run(&["send", "rust", "last"]).ok();
    assert!(follower.line().ends_with("  anna  last"));
    server.stop();
    let (code, said) = follower.end();
    assert_eq!(code, 1);
    assert!(said.contains("has stopped"), "{said}");
    other.stop();
}

#[test]
fn after_an_entry_everything_comes_before_what_arrives() {
    let anna = Peer::created("anna");
    let lines: String = (0..1500).map(|number| format!("{number}\n")).collect();
    anna.feed(&["send", "rust"], lines.as_bytes()).ok();
    let first = anna.json(&["history", "rust", "--all"]).swap_remove(0);
    let _server = anna.serve(&[]);
    let after = ["history", "rust", "--follow", "--json", "--after", first["id"].as_str().unwrap()];
    let mut follower = Running::spawn(anna.command(&after));
    for number in 0..1500 {
        let row: Value = serde_json::from_str(&follower.line()).unwrap();
        assert_eq!(row["body"], number.to_string());
    }
    anna.run(&["send", "rust", "and then"]).ok();
    let row: Value = serde_json::from_str(&follower.line()).unwrap();
    assert_eq!(row["body"], "and then");
}

#[test]
fn alone_there_is_nothing_to_follow() {
    let anna = Peer::created("anna");
    let refused = anna.run(&["history", "rust", "--follow"]).failed();
    assert!(refused.contains("peer serve"), "{refused}");
}
