//! Every bound in one place, each with its reason.
//!
//! **Consensus limits** decide whether a change is valid. All peers must agree on them, so they belong
//! to the format version ([`FORMAT`]) and never change without a new one. **Local limits** protect one
//! peer; they may differ from peer to peer.

/// The version of the change format. It is part of every genesis, so another version is another group.
pub const FORMAT: u64 = 1;

// Consensus limits.

/// Longest group name in bytes: fits a column on a screen and a sentence in an error.
pub const GROUP_NAME_BYTES_MAX: usize = 32;
/// Longest body in bytes. A chat message, not a file: two of the longest still fit one batch.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest `kind` in bytes; kinds are short ASCII words.
pub const KIND_BYTES_MAX: usize = 32;
/// Longest `from` in bytes: a display name that a bridge relays.
pub const FROM_BYTES_MAX: usize = 128;
/// Most direct dependencies of a change: more heads than this are merged over several changes.
pub const DEPS_MAX: usize = 64;
/// Largest operation counter: Automerge cannot hold more than 32 bits.
pub const MAX_OP_MAX: u64 = u32::MAX as u64;
/// Longest change in bytes: the largest body, all dependencies, and what is around them.
pub const CHANGE_BYTES_MAX: usize = BODY_BYTES_MAX + DEPS_MAX * 32 + 1024;

// Local limits.

/// Largest WebSocket message in bytes. Holds the largest Bloom filter, twice.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Largest hello in bytes: eight of the longest addresses, and room. All that a stranger can make a
/// peer hold before the proof.
pub const HELLO_BYTES_MAX: usize = 4096;
/// Each WebSocket buffer of a link, in bytes: with `PEERS_MAX` links they stay within 32 MiB.
pub const LINK_BUFFER_BYTES: usize = 16 * 1024;
/// Aim for the changes in one sync message, in bytes: large enough to share one commit among hundreds of messages,
/// small enough that a link of 4 kB/s gets one through before it counts as silent.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Sent to one peer for one group and not yet known to have arrived, in bytes: two transactions of a catch-up, so that one
/// comes in while the other is committed.
pub const IN_FLIGHT_BYTES_MAX: usize = 2 * COMMIT_BYTES;
/// The same for all groups of a link, in bytes: half of `LINK_QUEUE_BYTES_MAX`, so that a peer which is behind in
/// many groups is not taken for a wedged one.
pub const LINK_IN_FLIGHT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Messages with changes on their way to one peer for one group: what is older counts as arrived.
pub const BATCHES_IN_FLIGHT_MAX: usize = 256;
/// Changes that wait for a missing dependency, per group and link, in bytes. At least `IN_FLIGHT_BYTES_MAX`.
pub const ORPHAN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Changes that wait for a missing dependency, per group and link.
pub const ORPHANS_MAX: usize = 8192;
/// The same for all groups of a link, in bytes, with what is kept around each: an honest link has no more than
/// `LINK_IN_FLIGHT_BYTES_MAX` on its way, and each of its changes may wait.
pub const LINK_ORPHAN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The same for all links, in bytes. Beyond it the link that takes most is closed.
pub const ORPHANS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Kept around a change while it waits, in bytes: its fields and its places in the indexes.
pub const ORPHAN_BYTES_AROUND: usize = 1024;
/// What it may take to answer one link what it was answered before, in bytes; then so much more each second. An honest
/// peer asks again for little: what a filter wrongly claimed, or what it had asked of another link.
pub const ASKED_AGAIN_BYTES_MAX: u64 = 16 * 1024 * 1024;
pub const ASKED_AGAIN_BYTES_PER_S: u64 = 256 * 1024;
/// What looking at an entry or for a hash counts for, in bytes.
pub const VISIT_BYTES: u64 = 32;
/// Heads in a message that are looked up for nothing; each further one counts as a visit.
pub const HEADS_FREE_MAX: usize = 64;
/// Changes from one link that were here already, in bytes; then so much more each second. An honest peer sends the same
/// again when a pull has moved to it while the link before goes on.
pub const SENT_AGAIN_BYTES_MAX: u64 = 32 * 1024 * 1024;
pub const SENT_AGAIN_BYTES_PER_S: u64 = 256 * 1024;
/// What has to come of a pull, in bytes a second, so that it does not count as stalled: one batch within
/// `SILENCE_MS_MAX`, as of the slowest link that stands.
pub const PULL_BYTES_PER_S_MIN: u64 = 4_000;
/// Sync messages below this length, in bytes, are sent as they are: single entries, which hardly get smaller.
pub const DEFLATE_BYTES_MIN: usize = 2048;
/// How much longer a sync message may be than what was sent for it. Talk shrinks to a half or a third; what shrinks
/// more is sent as it is, so that nobody makes others work with few bytes.
pub const DEFLATE_GROWTH_MAX: usize = 16;
/// Entries of a group that are sent ahead to who has nothing of it: a page, as a face shows it first.
pub const PREVIEW_ENTRIES: usize = 50;
/// The same in bytes, as they are taken.
pub const PREVIEW_BYTES_MAX: usize = 256 * 1024;
/// The same in bytes, as they are sent, but for a single longer one: a slow line gets them through before the pull that
/// waits behind them counts as stalled.
pub const PREVIEW_BYTES_SENT: usize = 16 * 1024;
/// Entries of a group from which on it has the newest sent ahead: fewer are all there in 20 ms, or in a few seconds on a
/// slow line. Who holds as many does not ask.
pub const PREVIEW_FROM: u64 = 1_000;
/// Groups of which the newest entries are held apart; the oldest gives way. Memory in proportion.
pub const PREVIEWS_MAX: usize = 16;
/// Sent ahead to one link in all its groups, in bytes; then so much more each second. It is not shown to have arrived, so
/// it must fit into `LINK_QUEUE_BYTES_MAX` with all that is in flight.
pub const AHEAD_BYTES_MAX: u64 = (PREVIEWS_MAX * PREVIEW_BYTES_SENT) as u64;
pub const AHEAD_BYTES_PER_S: u64 = PULL_BYTES_PER_S_MIN;
/// Waiting to be written to one link, in bytes; beyond it the reader counts as wedged.
pub const LINK_QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Taken in from one link and not yet handled, in bytes. Must hold one frame.
pub const LINK_INBOX_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// The same, in frames: a small frame may cost as much to handle as a large one, and others wait behind it.
pub const LINK_INBOX_FRAMES_MAX: usize = 128;
/// Entries looked at, for each group of each link, to count what a peer lacks for a status.
pub const STATUS_VISITS_MAX: usize = 4096;
/// Links taken from one key in a row, then one more every `LINK_EVERY_MS`: a link costs a handshake and a look at every
/// group.
pub const LINKS_IN_A_ROW_MAX: u64 = 16;
/// Peers of whose conduct a record is kept: as many as there may be links. Those without a fault go first.
pub const CONDUCTS_MAX: usize = PEERS_MAX;
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
/// Dials under way at once: bounds the sockets that they take.
pub const DIALS_MAX: usize = 32;
/// Of these, to peers that are no acquaintances: false addresses do not stand in the way of true ones.
pub const HEARSAY_DIALS_MAX: usize = 16;
/// Dials to peers that are no acquaintances, in a row; then one more every `HEARSAY_DIAL_EVERY_MS`. Whoever tells of
/// peers cannot make this one scan a network. Half of a mesh of 100 is dialled by a newcomer, the rest dials it.
pub const HEARSAY_DIALS_IN_A_ROW_MAX: u64 = 64;
/// Peers that one link may tell of in a row; then one more every `GOSSIP_EVERY_MS`. What is more is not heeded.
pub const GOSSIP_MAX: u64 = 256;
/// Links to peers that are no acquaintances: whoever makes many keys leaves room for those who were here before.
pub const NEWCOMERS_MAX: usize = 768;
/// Events in one transaction: bounds how long a command waits behind others.
pub const COMMIT_EVENTS_MAX: usize = 1024;
/// Changes for which a transaction is kept open, in bytes: it writes most pages of the indexes anew, so thousands of
/// entries share one.
pub const COMMIT_BYTES: usize = 6 * BATCH_BYTES;
/// Heads in one sync message. A group has about as many as peers wrote at the same moment.
pub const HEADS_MAX: usize = 4096;
/// Hashes asked for in one sync message.
pub const NEED_MAX: usize = 4096;
/// `have` sections in one sync message; Automerge itself sends one.
pub const HAVE_MAX: usize = 4;
/// Entries counted by one Bloom filter.
pub const BLOOM_ENTRIES_MAX: u32 = 8_000_000;
/// Bits a Bloom filter spends on an entry, and probes it makes: Automerge uses 10 and 7.
pub const BLOOM_BITS_PER_ENTRY_MAX: u32 = 64;
pub const BLOOM_PROBES_MAX: u32 = 32;
/// Hashes put into one Bloom filter, at 10 bits each: half a frame. What is left out is at worst sent twice.
pub const BLOOM_HASHES_MAX: usize = 400_000;
/// Shortest chunk in a sync message: the fixed part of a chunk's header. Keeps empty chunks from costing
/// more memory than they cost the sender.
pub const CHUNK_BYTES_MIN: usize = 10;
/// Largest control frame in bytes: all that a member can make a peer parse at once.
pub const CONTROL_BYTES_MAX: usize = 64 * 1024;
/// Peer records in one control frame: so many of the longest fit. Longer lists take several frames.
pub const PEERS_PER_FRAME_MAX: usize = 28;
/// Groups in one control frame: so many fit. Longer lists take several frames.
pub const GROUPS_PER_FRAME_MAX: usize = 900;
/// Longest reason for closing a link in bytes: what a WebSocket close frame can hold.
pub const CLOSE_REASON_BYTES_MAX: usize = 123;
/// Groups of one peer that take part in sync.
pub const GROUPS_MAX: usize = 10_000;
/// Peers that a peer remembers, and therefore links that it holds.
pub const PEERS_MAX: usize = 1024;
/// Addresses remembered of one peer.
pub const ADDRESSES_MAX: usize = 8;
/// Longest address in bytes: a DNS name (253) with a port.
pub const ADDRESS_BYTES_MAX: usize = 260;
/// Longest display name in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest topic in bytes.
pub const TOPIC_BYTES_MAX: usize = 512;
/// Longest ticket in characters.
pub const TICKET_CHARS_MAX: usize = 4096;
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

// Times, in milliseconds.

/// From accepting a connection to a proven hello: a stranger is dropped after this.
pub const HANDSHAKE_MS_MAX: u64 = 5_000;
/// For reads of the database to end when a peer stops.
pub const READS_END_MS_MAX: u64 = 5_000;
/// For a close frame to leave; a reader that takes nothing must not hold up the closing side.
pub const CLOSE_MS_MAX: u64 = 1_000;
/// Between two pings on a link.
pub const PING_EVERY_MS: u64 = 5_000;
/// Between two pings of a link whose digests are compared, at least: a flood of pings must not cost a look at every
/// group each time.
pub const COMPARE_EVERY_MS: u64 = PING_EVERY_MS / 2;
/// A link that has been silent for this long is dead.
pub const SILENCE_MS_MAX: u64 = 20_000;
/// How long a peer waits for others to have an entry by themselves before it speaks up.
pub const ANNOUNCE_AFTER_MS: u64 = 250;
/// Peers that one speaks up to then, chosen at random: whoever lacks an entry that all others have hears of it from at
/// least one with a probability of 95 %, and from the next ping at the latest. More would cost every peer frames in
/// proportion to the mesh, for nothing in a healthy one.
pub const ANNOUNCE_PEERS_MAX: usize = 3;
/// How often a peer is shown that its single entries have come, at most: in a busy group there is mostly something else
/// to say by then, which shows it as well.
pub const ACKNOWLEDGE_EVERY_MS: u64 = 20;
/// How often new entries of a group are pushed, at most: of a burst, several share a message. The first does not wait.
pub const PUSH_EVERY_MS: u64 = 2;
/// How long entries of others wait for more to share a transaction with, counted from the last one: in a quiet group they
/// do not wait, and in a busy one nobody notices.
pub const COALESCE_MS: u64 = 2;
/// The same for messages that are full, of which more are on their way: a catch-up is seen to go on all the same, and a
/// command does not wait for them.
pub const CATCH_UP_COALESCE_MS: u64 = 50;
/// How long what others wrote, and nobody was told of, is shown without being flushed: longer than it takes to have something
/// to say, which flushes it as well.
pub const PUBLISHED_MS_MAX: u64 = 50;
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
/// A catch-up without progress for this long moves to another link.
pub const PULL_STALL_MS: u64 = 5_000;
/// How often one key may link, beyond `LINKS_IN_A_ROW_MAX`.
pub const LINK_EVERY_MS: u64 = 5_000;
/// How often a peer that is no acquaintance is dialled, beyond `HEARSAY_DIALS_IN_A_ROW_MAX`.
pub const HEARSAY_DIAL_EVERY_MS: u64 = 250;
/// How often one link may tell of a peer, beyond `GOSSIP_MAX`.
pub const GOSSIP_EVERY_MS: u64 = 1_000;
/// A peer is an acquaintance once a link to it has lasted this long; one from a ticket is from the start.
pub const ACQUAINTED_AFTER_MS: u64 = 600_000;
/// First wait before a key that broke the rules of a link is linked with again; doubles with every fault up to the
/// longest, so that it costs little. Not for ever: it may be an honest peer of another version, after its upgrade.
pub const FAULT_WAIT_MS_MIN: u64 = 1_000;
pub const FAULT_WAIT_MS_MAX: u64 = 300_000;
/// After so long without a fault the wait is the first one again.
pub const FAULTS_FORGIVEN_MS: u64 = 3_600_000;
/// First wait before dialling an address again; doubles up to the longest.
pub const REDIAL_MS_MIN: u64 = 250;
pub const REDIAL_MS_MAX: u64 = 30_000;
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
/// How often a stream of events looks at the links: what people see within half a second is there at once.
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
