//! A peer that joins a large group learns of its newest messages before all earlier ones have arrived.

use std::time::{Duration, Instant};

use peer::api::{Client, EventsQuery, HistoryQuery, Preview, What};
use peer_engine::limits::PREVIEW_FROM;

use crate::peer::Peer;

/// Prints when the newest messages could be read, and when all were there. `PEER_PREVIEW_MESSAGES=100000`
/// sets how many.
#[tokio::test]
async fn a_newcomer_to_a_large_group_is_told_of_its_preview() {
    let (anna, ben) = (Peer::created("anna"), Peer::nowhere());
    let count =
        std::env::var("PEER_PREVIEW_MESSAGES").map_or(2 * PREVIEW_FROM, |count| count.parse().unwrap());
    let said: Vec<String> = (0..count).map(|number| format!("said {number}")).collect();
    anna.feed(&["send", "rust"], said.join("\n").as_bytes()).ok();
    let server = anna.serve(&[]);
    let other = ben.serve(&["--name", "ben", "--join", &server.ticket()]);
    let client = Client::open(&ben.data).await.unwrap();
    let rust = "rust".parse().unwrap();
    let mut events = client.events(&EventsQuery::default()).await.unwrap();
    while client.join(&rust).await.is_err() {}
    let start = Instant::now();
    let mut newest = None;
    // The preview may begin and end before the first look; then there is one event for it.
    let (mut all, mut previews) = (false, 0);
    while !all || previews == 0 {
        match events.next().await.unwrap().expect("the stream goes on").what {
            What::Preview { group } => {
                assert_eq!(group, rust);
                previews += 1;
                if !client.preview(&rust).await.unwrap().entries.is_empty() {
                    newest.get_or_insert(start.elapsed());
                }
            }
            What::Entry { row } => all |= row.body.as_ref() == said.last(),
            // So many entries arrived that not all of them are sent as events.
            What::Resync => {
                all |= client.history(&rust, &HistoryQuery::default()).await.unwrap().arrival > count
            }
            _ => {}
        }
    }
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let newest = newest.map_or("with the rest".to_owned(), |time| format!("after {:.0} ms", ms(time)));
    println!("{count} messages: the newest {newest}, all after {:.0} ms", ms(start.elapsed()));
    assert_eq!(client.preview(&rust).await.unwrap(), Preview::default());
    assert_eq!(ben.bodies("rust"), said);
    server.stop();
    other.stop();
}
