//! Bounds of one peer on its own machine: its store, its links' buffers, its local API and its faces, each with its reason.
//!
//! All are local: they may differ from peer to peer. What the protocol and the engine are bound by stands in
//! `peer_engine::limits`.

use peer_engine::limits::FRAME_BYTES_MAX;

/// Each WebSocket buffer of a link, in bytes: with `PEERS_MAX` links they stay within 32 MiB.
pub const LINK_BUFFER_BYTES: usize = 16 * 1024;
/// Taken in from one link and not yet handled, in bytes. Must hold one frame.
pub const LINK_INBOX_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// The same, in frames: a small frame may cost as much to handle as a large one, and others wait behind it.
pub const LINK_INBOX_FRAMES_MAX: usize = 128;
/// How far ahead of the own clock an entry may be stamped before its author is shown as flagged, in milliseconds.
/// Clocks that are wrong by a time zone stand out, those that are set by hand do not.
pub const CLOCK_AHEAD_MS_MAX: i64 = 30 * 60 * 1000;
/// Connections in their handshake at once: strangers hold that much memory and no more. Beyond it the oldest of the most
/// crowded address gives way.
pub const HANDSHAKES_MAX: usize = 1024;
/// The same from one address (one /64 of IPv6): one stranger does not crowd out the others. Who shares its address gets
/// in between a thousand of its connections a second.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 256;
/// Connections that the system holds until they are accepted (it may hold fewer): twice the handshakes, so that a crowd
/// that comes at once is turned away by this peer. A system whose queue is full leaves members and strangers alike waiting
/// for an answer that never comes.
pub const ACCEPT_QUEUE_MAX: u32 = 2048;
/// Changes verified together, before it is another link's turn: about 4 ms. More would not make each cheaper.
pub const VERIFIED_IN_ONE_GO_MAX: usize = 256;
/// Events in one transaction: bounds how long a command waits behind others.
pub const COMMIT_EVENTS_MAX: usize = 1024;
/// Entries on one page of history.
pub const PAGE_MAX: usize = 1000;
/// Entries whose order of arrival is kept: who follows and was away for longer begins anew, which costs him a page of
/// each group that he looks at, and less than so many entries.
pub const FEED_MAX: u64 = 20_000;
/// Unread messages of a group that are counted: beyond it nobody cares how many.
pub const UNREAD_MAX: u64 = 1_000;
/// Entries of a group that are looked at to count them: others than messages and the own ones are in between.
pub const UNREAD_VISITS_MAX: usize = 4_096;
/// Keys of sent messages that are remembered: more than any client sends again after a failure.
pub const SENT_KEYS_MAX: u64 = 10_000;
/// Longest key of a sent message, in bytes: the id of what is answered, and a few words.
pub const SENT_KEY_BYTES_MAX: usize = 128;
/// Streams of events from the local API at once: a few faces with one each.
pub const EVENTS_MAX: usize = 32;
/// Entries read at once for a stream of events: with the longest bodies and all streams they stay within 128 MiB.
pub const EVENTS_BATCH_MAX: usize = 64;
/// Own messages whose spread a stream of events tells.
pub const OWN_RECENT_MAX: usize = 64;
/// Entries that may have come to the group since: to find out where a message is takes a look at each.
pub const OWN_RECENT_ARRIVALS_MAX: u64 = 1024;
/// Largest message that a client of the event stream may send, in bytes: it has nothing to say.
pub const API_SOCKET_BYTES_MAX: usize = 4 * 1024;
/// Words of a search that are looked at; the rest is ignored.
pub const SEARCH_WORDS_MAX: usize = 32;
/// Messages in one request to the local API.
pub const SEND_BATCH_MAX: usize = 1000;
/// Connections to the local API at once: a few faces with a few connections each. One more is told so and closed.
pub const API_CONNECTIONS_MAX: usize = 128;
/// Connections that are being told so; more are closed without a word.
pub const API_TURNED_AWAY_MAX: usize = 64;
/// Header of one request to the local API, in bytes and in fields.
pub const API_HEADER_BYTES_MAX: usize = 16 * 1024;
pub const API_HEADER_FIELDS_MAX: usize = 64;
/// Body of one request to the local API, in bytes: two batches of the longest messages, whatever escapes they need in
/// JSON, and a few milliseconds of a core to read.
pub const API_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The same before a browser is logged in, in bytes: a code, and room. All that a stranger on this machine can make
/// a peer hold with one request.
pub const API_CODE_BYTES_MAX: usize = 1024;
/// One-time links for browsers that are good at once: one for each window that somebody opens, and room.
pub const LINK_CODES_MAX: usize = 16;
/// Browsers that are logged in; the one that came first has to log in again.
pub const SESSIONS_MAX: usize = 32;
/// How long a browser stays logged in, in seconds: thirty days.
pub const SESSION_S_MAX: i64 = 30 * 24 * 3600;
/// Messages found by one search.
pub const SEARCH_HITS_MAX: usize = 200;
/// Matches of a search that are looked at in a group, those that arrived last: looking at more takes longer than a
/// person waits. Where there are more, older ones are not found.
pub const SEARCH_LOOKED_AT_MAX: usize = 1000;
/// Entries shown before and after each message found.
pub const SEARCH_CONTEXT_MAX: usize = 20;
/// A group is saved as an Automerge document when it has doubled, but not for fewer new entries than this.
pub const SNAPSHOT_GROWTH_MIN: u64 = 1_000;
/// Entries of a group up to which it is saved by itself: making a document takes about 3 kB of memory for each, for a while.
/// Larger groups are saved on export only.
pub const SNAPSHOT_ENTRIES_MAX: u64 = 10_000;
/// For reads of the database to end when a peer stops.
pub const READS_END_MS_MAX: u64 = 5_000;
/// For a close frame to leave; a reader that takes nothing must not hold up the closing side.
pub const CLOSE_MS_MAX: u64 = 1_000;
/// How long entries of others wait for more to share a transaction with, counted from the last one: in a quiet group they
/// do not wait, and in a busy one nobody notices.
pub const COALESCE_MS: u64 = 2;
/// The same for messages that are full, of which more are on their way: a catch-up is seen to go on all the same, and a
/// command does not wait for them.
pub const CATCH_UP_COALESCE_MS: u64 = 50;
/// How long nothing has to be written before the store tidies up: less than there is between two people's messages.
pub const TIDY_AFTER_MS: u64 = 10;
/// How long it waits before it does a little more of it: after a catch-up there is much, and others need the disk too.
pub const TIDY_EVERY_MS: u64 = 5;
/// Pages of 4 KiB in the write-ahead log for each of which it is moved into the database beside the writer.
pub const CHECKPOINT_PAGES: i32 = 1_000;
/// The same when nothing else is to be done: few at a time, so that a message that comes meanwhile hardly waits.
pub const CHECKPOINT_QUIET_PAGES: i32 = 200;
/// Pages in the log from which on the writer moves it itself: a flood is to take its time rather than the disk.
pub const LOG_PAGES_MAX: i32 = 4_000;
/// For how long a group must not grow before it is saved as a document: not in the midst of a catch-up.
pub const SNAPSHOT_QUIET_MS: u64 = 2_000;
/// How long that is waited for.
pub const SNAPSHOT_WAIT_MS_MAX: u64 = 60_000;
/// Longest wait of one API request for linked peers to store a message.
pub const PATIENCE_MS_MAX: u64 = 10_000;
/// How long a command waits for the process that holds the data directory to answer or to let go.
pub const HOLDER_WAIT_MS: u64 = 8_000;
/// How long a one-time link for a browser is good: long enough to copy it by hand.
pub const LINK_CODE_MS_MAX: u64 = 120_000;
/// For the header of a request to the local API to come, also on a connection that was idle.
pub const API_HEADER_MS_MAX: u64 = 15_000;
/// For the body of a request to the local API to come.
pub const API_BODY_MS_MAX: u64 = 30_000;
/// How often the links are looked at for all streams of events: what people see within half a second is there at once.
pub const EVENT_LOOK_MS: u64 = 500;
/// For one event to be taken by a WebSocket's client.
pub const EVENT_SEND_MS_MAX: u64 = 30_000;
/// How long a stopping server waits for open requests.
pub const API_STOP_MS_MAX: u64 = 2_000;
/// After a failed `accept` (no file handles left, for one).
pub const ACCEPT_RETRY_MS: u64 = 100;
/// After a failed commit (a full disk, for one), before starting again from what is on disk.
pub const RESTART_MS: u64 = 1_000;
/// A database that is damaged again so soon after it was made anew is not made anew another time.
pub const SALVAGE_AGAIN_MS: u64 = 60_000;
