//! Limits of one peer on its own machine: its store, its links' buffers, its local API and its user
//! interfaces, each with its reason. All are local and may differ from peer to peer. The limits of the
//! protocol and of the engine are in `peer_engine::limits`.

use peer_engine::limits::FRAME_BYTES_MAX;

/// Size of each WebSocket buffer of a link, in bytes: the buffers of `PEERS_MAX` links stay within 32 MiB.
pub const LINK_BUFFER_BYTES: usize = 16 * 1024;
/// Maximum bytes received on one link and not yet handled. Must hold one frame.
pub const LINK_INBOX_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// Maximum number of frames received on one link and not yet handled: a small frame may cost as much to
/// handle as a large one, and other links wait behind it.
pub const LINK_INBOX_FRAMES_MAX: usize = 128;
/// How far an entry's timestamp may be ahead of this peer's clock before its author is flagged, in
/// milliseconds. A clock that is wrong by a time zone is flagged; one that was set by hand is not.
pub const CLOCK_AHEAD_MS_MAX: i64 = 30 * 60 * 1000;
/// Maximum number of connections in their handshake at once: it bounds the memory that strangers can take.
/// Beyond it, the oldest connection of the address with the most connections is dropped.
pub const HANDSHAKES_MAX: usize = 1024;
/// Maximum number of handshakes at once from one address (one /64 of IPv6), so that one stranger does not
/// crowd out the others. A member behind the same address still gets in while the stranger opens a thousand
/// connections a second.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 256;
/// Length of the system's queue of connections that were not accepted yet (the system may allow fewer): twice
/// the handshakes, so that this peer itself rejects a sudden crowd. When the system's queue is full, members
/// and strangers alike wait for an answer that never comes.
pub const ACCEPT_QUEUE_MAX: u32 = 2048;
/// Maximum number of changes verified before another link's turn: about 4 ms. More would not be cheaper each.
pub const VERIFIED_IN_ONE_GO_MAX: usize = 256;
/// Maximum number of events in one transaction: bounds how long a command waits behind others.
pub const COMMIT_EVENTS_MAX: usize = 1024;
/// Maximum number of entries on one page of history.
pub const PAGE_MAX: usize = 1000;
/// Number of entries whose order of arrival is kept. A client that was away for longer starts again with a
/// page of each group that it shows, which is less to read than this many entries.
pub const FEED_MAX: u64 = 20_000;
/// Maximum number of unread messages counted in a group: beyond it the exact number does not matter.
pub const UNREAD_MAX: u64 = 1_000;
/// Maximum number of entries examined in a group to count its unread messages: entries that are not messages,
/// and the person's own, lie between them.
pub const UNREAD_VISITS_MAX: usize = 4_096;
/// Number of keys of sent messages that are remembered: more than any client sends again after a failure.
pub const SENT_KEYS_MAX: u64 = 10_000;
/// Maximum length of the key of a sent message, in bytes: the id that it answers, and a few words.
pub const SENT_KEY_BYTES_MAX: usize = 128;
/// Maximum number of event streams of the local API at once: a few user interfaces with one each.
pub const EVENTS_MAX: usize = 32;
/// Maximum number of entries read at once for an event stream: the longest bodies stay within 128 MiB in all.
pub const EVENTS_BATCH_MAX: usize = 64;
/// Number of this person's latest messages for which an event stream reports which peers have them.
pub const OWN_RECENT_MAX: usize = 64;
/// Which peers have a message is shown only while fewer entries than this have arrived in its group after it:
/// the lookup examines each of them.
pub const OWN_RECENT_ARRIVALS_MAX: u64 = 1024;
/// Maximum size of a message from a client of the event stream, in bytes: clients have nothing to send.
pub const API_SOCKET_BYTES_MAX: usize = 4 * 1024;
/// Maximum number of words used of a search; the rest are ignored.
pub const SEARCH_WORDS_MAX: usize = 32;
/// Maximum number of messages in one request to the local API.
pub const SEND_BATCH_MAX: usize = 1000;
/// Maximum number of connections to the local API at once: a few user interfaces with a few connections each.
/// One more is told that there are too many, and closed.
pub const API_CONNECTIONS_MAX: usize = 128;
/// Maximum number of connections to the local API that are told it is full; more are closed unanswered.
pub const API_TURNED_AWAY_MAX: usize = 64;
/// Maximum size of the header of one request to the local API, in bytes.
pub const API_HEADER_BYTES_MAX: usize = 16 * 1024;
/// Maximum number of fields in the header of one request to the local API.
pub const API_HEADER_FIELDS_MAX: usize = 64;
/// Maximum size of the body of one request to the local API, in bytes: two batches of the longest messages
/// with all their JSON escapes. It takes a core a few milliseconds to read.
pub const API_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Maximum size of a request body before the browser has logged in, in bytes: a code, and some spare bytes. A
/// stranger on this machine cannot make a peer hold more with one request.
pub const API_CODE_BYTES_MAX: usize = 1024;
/// Maximum number of valid one-time login links: one for each browser window that is opened, and some spare.
pub const LINK_CODES_MAX: usize = 16;
/// Maximum number of browsers that are logged in; beyond it the one that logged in first has to log in again.
pub const SESSIONS_MAX: usize = 32;
/// How long a browser stays logged in, in seconds: thirty days.
pub const SESSION_S_MAX: i64 = 30 * 24 * 3600;
/// Maximum number of messages found by one search.
pub const SEARCH_HITS_MAX: usize = 200;
/// Maximum number of matches of a search examined in a group, the latest to arrive: examining more takes
/// longer than a person waits. Older matches beyond it are not found.
pub const SEARCH_LOOKED_AT_MAX: usize = 1000;
/// Maximum number of entries shown before and after each message found.
pub const SEARCH_CONTEXT_MAX: usize = 20;
/// A group is saved as an Automerge document when it has doubled and has at least this many new entries.
pub const SNAPSHOT_GROWTH_MIN: u64 = 1_000;
/// Maximum number of entries of a group that is saved automatically: making the document takes about 3 kB of
/// memory for each, for a while. Larger groups are saved on export only.
pub const SNAPSHOT_ENTRIES_MAX: u64 = 10_000;
/// How long a stopping peer waits for reads of the database to end.
pub const READS_END_MS_MAX: u64 = 5_000;
/// How long the closing side waits until a close frame is sent: the other side may not be reading.
pub const CLOSE_MS_MAX: u64 = 1_000;
/// How long entries of others wait to share a transaction with later ones, counted from the last transaction:
/// in a quiet group they do not wait, and in a busy one nobody notices.
pub const COALESCE_MS: u64 = 2;
/// How long full messages of changes, which more will follow, wait to share a transaction: a catch-up still
/// shows progress, and a command does not wait for them.
pub const CATCH_UP_COALESCE_MS: u64 = 50;
/// How long the store is idle before it does maintenance: less than the time between two people's messages.
pub const TIDY_AFTER_MS: u64 = 10;
/// Pause between two steps of maintenance: after a catch-up there are many, and others need the disk too.
pub const TIDY_EVERY_MS: u64 = 5;
/// The write-ahead log is checkpointed beside the writer whenever it has grown by this many pages of 4 KiB.
pub const CHECKPOINT_PAGES: i32 = 1_000;
/// While the writer is idle, the write-ahead log is checkpointed whenever it has grown by this many pages:
/// few, so that a message that arrives meanwhile hardly waits.
pub const CHECKPOINT_QUIET_PAGES: i32 = 200;
/// From this many pages on, the writer checkpoints the log by itself, so that a flood cannot fill the disk.
pub const LOG_PAGES_MAX: i32 = 4_000;
/// How long a group must not have grown before it is saved as a document: a catch-up must be over.
pub const SNAPSHOT_QUIET_MS: u64 = 2_000;
/// A group that keeps growing is saved as a document after this time all the same.
pub const SNAPSHOT_WAIT_MS_MAX: u64 = 60_000;
/// Maximum time that one API request waits for linked peers to store a message.
pub const PATIENCE_MS_MAX: u64 = 10_000;
/// How long a command waits for the process that has locked the data directory to answer or to release it.
pub const HOLDER_WAIT_MS: u64 = 8_000;
/// How long a one-time login link is valid: long enough to copy it by hand.
pub const LINK_CODE_MS_MAX: u64 = 120_000;
/// Time allowed for the header of a request to the local API to arrive, also on a connection that was idle.
pub const API_HEADER_MS_MAX: u64 = 15_000;
/// Time allowed for the body of a request to the local API to arrive.
pub const API_BODY_MS_MAX: u64 = 30_000;
/// How often the links are read for all event streams: a change shown within half a second seems immediate.
pub const EVENT_LOOK_MS: u64 = 500;
/// Time allowed for a WebSocket client to take one event.
pub const EVENT_SEND_MS_MAX: u64 = 30_000;
/// How long a stopping server waits for open requests to finish.
pub const API_STOP_MS_MAX: u64 = 2_000;
/// Pause after a failed `accept` (no file handles left, for example).
pub const ACCEPT_RETRY_MS: u64 = 100;
/// Pause after a failed commit (a full disk, for example) before the peer starts again from what is on disk.
pub const RESTART_MS: u64 = 1_000;
/// A database that is damaged again within this time after a salvage is not salvaged a second time.
pub const SALVAGE_AGAIN_MS: u64 = 60_000;
