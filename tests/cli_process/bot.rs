//! The bot of docs/api.md works exactly as it is printed there.

use std::process::{Command, Stdio};

use crate::peer::Peer;

#[test]
fn the_documented_bot_answers_once() {
    let document = include_str!("../../docs/api.md");
    let (_, rest) = document.split_once("```sh\n# A bot").expect("the bot is in docs/api.md");
    let (script, _) = rest.split_once("```").unwrap();
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: there is no curl on this machine");
        return;
    }
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let mut bot = Command::new("sh");
    bot.args(["-c", &format!("# A bot{script}")]).env("PEER_DATA", &peer.data);
    let mut bot = bot.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    // It only hears messages that are sent after it has begun to listen.
    let mut asked = 0;
    while !peer.bodies("rust").contains(&"pong".to_owned()) {
        assert!(asked < 200, "no answer");
        peer.run(&["send", "rust", "!ping"]).ok();
        asked += 1;
    }
    server.stop();
    bot.wait().unwrap();
    let rows = peer.json(&["history", "rust", "--all"]);
    let answers: Vec<_> = rows.iter().filter(|row| row["body"] == "pong").map(|row| &row["re"]).collect();
    let distinct: std::collections::HashSet<_> = answers.iter().collect();
    assert_eq!(answers.len(), distinct.len());
}
