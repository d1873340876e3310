//! Every bound in one place, each with its reason.
//!
//! **Consensus limits** decide whether a change is valid. All peers must agree on them, so they belong
//! to the format version ([`FORMAT`]) and never change without a new one. **Local limits** protect one
//! peer; they may differ from peer to peer.
//!
//! A limit that is called a burst is the size of a token bucket, whose refill is a limit of its own.

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
/// Longest change in bytes: the largest body, all dependencies, and 1 KiB for the other fields and the framing.
pub const CHANGE_BYTES_MAX: usize = BODY_BYTES_MAX + DEPS_MAX * 32 + 1024;

// Local limits.

/// Largest WebSocket message in bytes. Holds the largest Bloom filter, twice.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Largest hello in bytes: eight of the longest addresses and the other fields. A peer that has not yet proven that it
/// knows the mesh secret can make this one buffer no more.
pub const HELLO_BYTES_MAX: usize = 4096;
/// Target size in bytes of the changes in one sync message: large enough to share one commit among hundreds of
/// messages, small enough that a link of 4 kB/s gets one through before it counts as silent.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Send window per link and group, in bytes: changes sent and not yet acknowledged. Two transactions of a catch-up, so
/// that one arrives while the other is committed.
pub const IN_FLIGHT_BYTES_MAX: usize = 2 * COMMIT_BYTES;
/// Send window per link over all groups, in bytes. Half of `LINK_QUEUE_BYTES_MAX`, so that a peer that catches up in
/// many groups is not mistaken for one that has stopped reading.
pub const LINK_IN_FLIGHT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Outgoing queue of one link in bytes. When more waits to be written, the other side has stopped reading and the link
/// is closed.
pub const LINK_QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Send window per link and group, in messages with changes. When another is sent, the oldest counts as arrived.
pub const BATCHES_IN_FLIGHT_MAX: usize = 256;
/// Maximum size of the orphans (changes that wait for a missing dependency) per link and group, in bytes. At least
/// `IN_FLIGHT_BYTES_MAX`, because everything in flight may arrive before its dependencies.
pub const ORPHAN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Maximum number of orphans per link and group.
pub const ORPHANS_MAX: usize = 8192;
/// Maximum memory for orphans per link over all groups, in bytes, each counted with `ORPHAN_BYTES_AROUND`. An honest
/// peer has at most `LINK_IN_FLIGHT_BYTES_MAX` on the way, all of which may become orphans.
pub const LINK_ORPHAN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Maximum memory for orphans over all links and groups, in bytes. Beyond it the link with the largest share is closed.
pub const ORPHANS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Overhead counted for each orphan, in bytes: its decoded fields and its index entries.
pub const ORPHAN_BYTES_AROUND: usize = 1024;
/// Burst, in bytes, of work spent on answering one link what it was answered before; a link beyond it is closed when it
/// asks again. An honest peer asks again for little: what a filter wrongly claimed, or what it had asked of another
/// link.
pub const ASKED_AGAIN_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes per second by which the allowance of `ASKED_AGAIN_BYTES_MAX` refills.
pub const ASKED_AGAIN_BYTES_PER_S: u64 = 256 * 1024;
/// Bytes charged to `ASKED_AGAIN_BYTES_MAX` for visiting one entry or looking up one hash.
pub const VISIT_BYTES: u64 = 32;
/// Heads in one message that are looked up free of charge; each further one is charged `VISIT_BYTES`.
pub const HEADS_FREE_MAX: usize = 64;
/// Burst, in bytes, of changes that one link may send although they are already here; beyond it the link is closed. An
/// honest peer sends duplicates when a pull has moved to it while the previous link still answers.
pub const SENT_AGAIN_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Bytes per second by which the allowance of `SENT_AGAIN_BYTES_MAX` refills.
pub const SENT_AGAIN_BYTES_PER_S: u64 = 256 * 1024;
/// Slowest pull that does not count as stalled, in bytes per second: one batch within `SILENCE_MS_MAX`, which is what
/// the slowest usable link delivers.
pub const PULL_BYTES_PER_S_MIN: u64 = 4_000;
/// Sync messages shorter than this, in bytes, are not compressed: they hold single entries, which hardly shrink.
pub const DEFLATE_BYTES_MIN: usize = 2048;
/// Largest ratio of a sync message's length to its compressed length. Chat shrinks to a half or a third; what would
/// shrink more is sent uncompressed, and received frames beyond the ratio are refused, so that few bytes cannot cause
/// much work.
pub const DEFLATE_GROWTH_MAX: usize = 16;
/// Maximum number of entries in a preview (the newest entries of a group, sent ahead of a catch-up): one page on a
/// screen.
pub const PREVIEW_ENTRIES: usize = 50;
/// Largest preview that a peer accepts, in bytes of changes.
pub const PREVIEW_BYTES_MAX: usize = 256 * 1024;
/// Largest preview that a peer sends, in bytes of changes, unless its only entry is longer: a slow link transmits it
/// before the pull that waits behind it counts as stalled.
pub const PREVIEW_BYTES_SENT: usize = 16 * 1024;
/// Smallest group, in entries, of which a preview is sent: a smaller one arrives whole in 20 ms, or in a few seconds on
/// a slow link. A peer that already has this many entries of the group asks for no preview.
pub const PREVIEW_FROM: u64 = 1_000;
/// Maximum number of groups of which a preview is held in memory; beyond it the oldest preview is dropped.
pub const PREVIEWS_MAX: usize = 16;
/// Burst, in bytes, of previews sent to one link over all groups. Previews are not acknowledged, so together with the
/// send window they must fit into `LINK_QUEUE_BYTES_MAX`.
pub const PREVIEW_LINK_BYTES_MAX: u64 = (PREVIEWS_MAX * PREVIEW_BYTES_SENT) as u64;
/// Bytes per second by which the allowance of `PREVIEW_LINK_BYTES_MAX` refills.
pub const PREVIEW_LINK_BYTES_PER_S: u64 = PULL_BYTES_PER_S_MIN;
/// Maximum number of entries visited per link and group to count, for a status, what the other side lacks.
pub const STATUS_VISITS_MAX: usize = 4096;
/// Burst of links accepted from one key, refilled by one every `LINK_EVERY_MS`: a link costs a handshake and a look at
/// every group.
pub const LINKS_IN_A_ROW_MAX: u64 = 16;
/// Maximum number of peers whose faults are recorded: as many as there may be links. Records without a fault are
/// dropped first.
pub const CONDUCTS_MAX: usize = PEERS_MAX;
/// Maximum number of concurrent dials, which bounds the sockets that they take.
pub const DIALS_MAX: usize = 32;
/// Maximum number of concurrent dials, among `DIALS_MAX`, to peers that are no acquaintances, so that false addresses
/// do not delay dials to true ones.
pub const HEARSAY_DIALS_MAX: usize = 16;
/// Burst of dials to peers that are no acquaintances, refilled by one every `HEARSAY_DIAL_EVERY_MS`, so that a peer
/// that invents addresses cannot make this one scan a network. A newcomer to a mesh of 100 dials half of it; the rest
/// dials the newcomer.
pub const HEARSAY_DIALS_IN_A_ROW_MAX: u64 = 64;
/// Burst of peer records accepted from one link, refilled by one every `GOSSIP_EVERY_MS`. Further records are ignored.
pub const GOSSIP_MAX: u64 = 256;
/// Maximum number of links to peers that are no acquaintances. The rest of `PEERS_MAX` stays free for acquaintances,
/// however many keys somebody makes.
pub const NEWCOMERS_MAX: usize = 768;
/// Target size of one transaction in bytes of changes. A transaction rewrites most pages of the indexes, so thousands
/// of entries share one.
pub const COMMIT_BYTES: usize = 6 * BATCH_BYTES;
/// Maximum number of heads in one sync message. A group has about as many as peers wrote at the same moment.
pub const HEADS_MAX: usize = 4096;
/// Maximum number of hashes that one sync message asks for.
pub const NEED_MAX: usize = 4096;
/// Maximum number of `have` sections in one sync message; Automerge itself sends one.
pub const HAVE_MAX: usize = 4;
/// Maximum number of entries that a received Bloom filter may declare.
pub const BLOOM_ENTRIES_MAX: u32 = 8_000_000;
/// Maximum number of bits per entry that a received Bloom filter may declare; Automerge uses 10.
pub const BLOOM_BITS_PER_ENTRY_MAX: u32 = 64;
/// Maximum number of probes per entry that a received Bloom filter may declare; Automerge uses 7.
pub const BLOOM_PROBES_MAX: u32 = 32;
/// Maximum number of hashes put into one Bloom filter, at 10 bits each: half a frame. A hash that is left out costs at
/// most a duplicate of its change.
pub const BLOOM_HASHES_MAX: usize = 400_000;
/// Shortest chunk in a sync message, in bytes: the fixed part of a chunk's header. Without it, empty chunks would cost
/// the receiver more memory than they cost the sender.
pub const CHUNK_BYTES_MIN: usize = 10;
/// Largest control frame in bytes, which bounds the JSON that a member can make a peer parse at once.
pub const CONTROL_BYTES_MAX: usize = 64 * 1024;
/// Maximum number of peer records in one control frame: so many of the longest fit. Longer lists take several frames.
pub const PEERS_PER_FRAME_MAX: usize = 28;
/// Maximum number of group ids in one control frame: so many fit. Longer lists take several frames.
pub const GROUPS_PER_FRAME_MAX: usize = 900;
/// Longest reason for closing a link in bytes: what a WebSocket close frame can hold.
pub const CLOSE_REASON_BYTES_MAX: usize = 123;
/// Maximum number of groups that one peer holds, and that one link may subscribe to.
pub const GROUPS_MAX: usize = 10_000;
/// Maximum number of peers that a peer remembers, and of links that it holds.
pub const PEERS_MAX: usize = 1024;
/// Maximum number of addresses remembered or sent of one peer.
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

/// Longest time from accepting a connection to a proven hello; then the connection is dropped.
pub const HANDSHAKE_MS_MAX: u64 = 5_000;
/// Interval between two pings on a link.
pub const PING_EVERY_MS: u64 = 5_000;
/// Shortest interval between two received pings whose digests are compared: a digest takes a look at every group, so a
/// flood of pings must not cause one each.
pub const COMPARE_EVERY_MS: u64 = PING_EVERY_MS / 2;
/// A link on which nothing was received for this long is closed as dead.
pub const SILENCE_MS_MAX: u64 = 20_000;
/// How long a peer waits for an entry to reach others by their own links before it announces it.
pub const ANNOUNCE_AFTER_MS: u64 = 250;
/// Number of peers, chosen at random, to which a peer announces its heads after `ANNOUNCE_AFTER_MS`. A peer that lacks
/// an entry which all others have then hears of it from at least one of them with a probability of 95 %, and otherwise
/// from the next ping. More would cost frames in proportion to the mesh, for nothing in a healthy one.
pub const ANNOUNCE_PEERS_MAX: usize = 3;
/// Shortest interval between two acknowledgements of single entries to one peer: in a busy group another message is due
/// by then, and acknowledges them as well.
pub const ACKNOWLEDGE_EVERY_MS: u64 = 20;
/// Shortest interval between two pushes of new entries of a group, so that the entries of a burst share a message. The
/// first push does not wait.
pub const PUSH_EVERY_MS: u64 = 2;
/// Longest time between publishing received entries to local readers and flushing them to disk. Whatever is sent
/// flushes them too, which mostly happens before.
pub const PUBLISHED_MS_MAX: u64 = 50;
/// A pull without progress for this long moves to another link.
pub const PULL_STALL_MS: u64 = 5_000;
/// Interval at which the allowance of `LINKS_IN_A_ROW_MAX` refills by one link.
pub const LINK_EVERY_MS: u64 = 5_000;
/// Interval at which the allowance of `HEARSAY_DIALS_IN_A_ROW_MAX` refills by one dial.
pub const HEARSAY_DIAL_EVERY_MS: u64 = 250;
/// Interval at which the allowance of `GOSSIP_MAX` refills by one peer record.
pub const GOSSIP_EVERY_MS: u64 = 1_000;
/// A peer becomes an acquaintance once a link to it has lasted this long; a peer from a ticket is one from the start.
pub const ACQUAINTED_AFTER_MS: u64 = 600_000;
/// First time for which a key is refused after it broke the protocol; doubles with every further fault, up to
/// `FAULT_WAIT_MS_MAX`.
pub const FAULT_WAIT_MS_MIN: u64 = 1_000;
/// Longest time for which a key is refused after a fault. Bounded, because it may be an honest peer of another version
/// that has been upgraded since.
pub const FAULT_WAIT_MS_MAX: u64 = 300_000;
/// After this long without a fault, the next one counts as the first.
pub const FAULTS_FORGIVEN_MS: u64 = 3_600_000;
/// First wait before a peer is dialled again; doubles with every failure, up to `REDIAL_MS_MAX`.
pub const REDIAL_MS_MIN: u64 = 250;
/// Longest wait before a peer is dialled again.
pub const REDIAL_MS_MAX: u64 = 30_000;
