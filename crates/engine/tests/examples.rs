//! The example runs, and two peers that were apart converge in it.

#[path = "../examples/converge.rs"]
#[expect(dead_code, reason = "its main is the test")]
mod converge;

#[test]
fn two_engines_converge() {
    let lines = converge::run().unwrap();
    let said: Vec<&str> = lines.iter().filter_map(|line| line.splitn(3, ' ').nth(2)).collect();
    let messages = ["\"is anybody here?\"", "\"hello from the other peer\"", "\"nobody?\""];
    assert_eq!(said, [&["joined", "joined"], &messages[..]].concat(), "{lines:#?}");
}
