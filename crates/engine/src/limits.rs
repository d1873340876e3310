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
/// Aim for the changes in one sync message, in bytes: large enough to share one commit among hundreds of messages,
/// small enough that a link of 4 kB/s gets one through before it counts as silent.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Sent to one peer for one group and not yet known to have arrived, in bytes: two transactions of a catch-up, so that one
/// comes in while the other is committed.
pub const IN_FLIGHT_BYTES_MAX: usize = 2 * COMMIT_BYTES;
/// The same for all groups of a link, in bytes: half of `LINK_QUEUE_BYTES_MAX`, so that a peer which is behind in
/// many groups is not taken for a wedged one.
pub const LINK_IN_FLIGHT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Waiting to be written to one link, in bytes; beyond it the reader counts as wedged.
pub const LINK_QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
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
/// Most entries of a preview, which is sent to who has nothing of a group: a page, as a face shows it first.
pub const PREVIEW_ENTRIES: usize = 50;
/// The same in bytes, as they are taken.
pub const PREVIEW_BYTES_MAX: usize = 256 * 1024;
/// The same in bytes, as they are sent, but for a single longer one: a slow line gets them through before the pull that
/// waits behind them counts as stalled.
pub const PREVIEW_BYTES_SENT: usize = 16 * 1024;
/// Entries of a group from which on a preview of it is sent: fewer are all there in 20 ms, or in a few seconds on a
/// slow line. Who holds as many does not ask.
pub const PREVIEW_FROM: u64 = 1_000;
/// Groups of which a preview is held; the oldest gives way. Memory in proportion.
pub const PREVIEWS_MAX: usize = 16;
/// Previews sent to one link in all its groups, in bytes; then so much more each second. It is not shown to have arrived, so
/// it must fit into `LINK_QUEUE_BYTES_MAX` with all that is in flight.
pub const PREVIEW_LINK_BYTES_MAX: u64 = (PREVIEWS_MAX * PREVIEW_BYTES_SENT) as u64;
pub const PREVIEW_LINK_BYTES_PER_S: u64 = PULL_BYTES_PER_S_MIN;
/// Entries looked at, for each group of each link, to count what a peer lacks for a status.
pub const STATUS_VISITS_MAX: usize = 4096;
/// Links taken from one key in a row, then one more every `LINK_EVERY_MS`: a link costs a handshake and a look at every
/// group.
pub const LINKS_IN_A_ROW_MAX: u64 = 16;
/// Peers of whose conduct a record is kept: as many as there may be links. Those without a fault go first.
pub const CONDUCTS_MAX: usize = PEERS_MAX;
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

// Times, in milliseconds.

/// From accepting a connection to a proven hello: a stranger is dropped after this.
pub const HANDSHAKE_MS_MAX: u64 = 5_000;
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
/// How long what others wrote, and nobody was told of, is shown without being flushed: longer than it takes to have something
/// to say, which flushes it as well.
pub const PUBLISHED_MS_MAX: u64 = 50;
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
