//! Who joins a large group is told of its newest messages before all that is beneath them has come.

use peer::api::{Client, EventsQuery, Preview, What};
use peer::limits::PREVIEW_FROM;

use crate::peer::Peer;

#[tokio::test]
async fn a_newcomer_to_a_large_group_is_told_of_its_preview() {
    let (anna, ben) = (Peer::created("anna"), Peer::nowhere());
    let said: Vec<String> = (0..2 * PREVIEW_FROM).map(|number| format!("said {number}")).collect();
    anna.feed(&["send", "rust"], said.join("\n").as_bytes()).ok();
    let server = anna.serve(&[]);
    let other = ben.serve(&["--name", "ben", "--join", &server.ticket()]);
    let client = Client::open(&ben.data).await.unwrap();
    let rust = "rust".parse().unwrap();
    let mut events = client.events(&EventsQuery::default()).await.unwrap();
    while client.join(&rust).await.is_err() {}
    // It may have come and gone before the first look; then it is told of once.
    let (mut arrived, mut previews) = (0, 0);
    while arrived < said.len() || previews == 0 {
        match events.next().await.unwrap().expect("the stream goes on").what {
            What::Preview { group } => {
                assert_eq!(group, rust);
                previews += 1;
            }
            What::Entry { row } => {
                arrived += usize::from(row.body.is_some_and(|body| body.starts_with("said")))
            }
            _ => {}
        }
    }
    assert_eq!(client.preview(&rust).await.unwrap(), Preview::default());
    assert_eq!(ben.bodies("rust"), said);
    server.stop();
    other.stop();
}
