//! `peer status`: shows this peer, its groups, its links, and what either side lacks.

use peer_engine::id::{ChangeHash, PeerId};

use super::context::Context;
use super::failure::Result;
use crate::api::{GroupStatus, LinkStatus, Status, Unreachable};
use crate::text;

/// A clock that is wrong by at least this many milliseconds is reported.
const SKEW_MS_TOLD: u64 = 2_000;

pub(super) async fn run(context: &mut Context) -> Result<()> {
    let client = context.client().await?;
    let answer = client.status().await;
    let serving = client.is_serving();
    client.close().await;
    let status = answer?;
    if context.out.is_json() {
        return context.out.json(&status);
    }
    let out = &mut context.out;
    out.table(&[
        ["name".to_owned(), person(status.name.as_deref(), &status.peer)],
        ["key".to_owned(), status.peer.to_string()],
        ["mesh".to_owned(), status.mesh.to_string()],
        ["disk".to_owned(), size(status.disk_bytes)],
        ["running".to_owned(), if serving { "yes" } else { "no; `peer serve` starts it" }.to_owned()],
    ])?;
    if !status.groups.is_empty() {
        out.line("\ngroups")?;
        out.table(&status.groups.iter().map(group).collect::<Vec<_>>())?;
    }
    if !status.links.is_empty() {
        out.line("\nlinks")?;
        out.table(&status.links.iter().map(link).collect::<Vec<_>>())?;
    }
    if !status.unreachable.is_empty() {
        out.line("\nnot linked")?;
        out.table(&status.unreachable.iter().map(unreachable).collect::<Vec<_>>())?;
    }
    for line in flagged(&status) {
        out.line(&line)?;
    }
    if !status.set_aside.is_empty() {
        out.line("\ndamaged databases that were replaced; delete them when you need nothing from them")?;
        for file in &status.set_aside {
            out.line(&format!("  {}", text::line(file)))?;
        }
    }
    Ok(())
}

fn group(group: &GroupStatus) -> [String; 4] {
    let several = [
        (group.waiting, "waiting for what they depend on"),
        (group.stranded, "only shown here, until what they follow comes back"),
    ];
    let beside =
        several.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let beside = beside.collect::<Vec<_>>().join("; ");
    [format!("  {}", group.name), format!("entries: {}", group.entries), heads(&group.heads), beside]
}

/// The beginnings of the first three heads, short enough to compare with another peer's.
fn heads(heads: &[ChangeHash]) -> String {
    let mut shown: Vec<String> = heads.iter().take(3).map(|head| head.to_string()[..8].to_owned()).collect();
    if heads.len() > shown.len() {
        shown.push(format!("and {} more", heads.len() - shown.len()));
    }
    format!("{}: {}", if heads.len() == 1 { "head" } else { "heads" }, shown.join(" "))
}

fn link(link: &LinkStatus) -> [String; 6] {
    let round_trip = link.rtt_ms.map_or("? ms".to_owned(), |ms| format!("{ms:.1} ms"));
    let skew = match link.skew_ms {
        Some(ms) if ms.unsigned_abs() >= SKEW_MS_TOLD => {
            let direction = if ms > 0 { "ahead" } else { "behind" };
            format!("its clock is {} {direction}", seconds(ms.unsigned_abs()))
        }
        _ => String::new(),
    };
    let missing: Vec<String> = link.behind.iter().map(ToString::to_string).collect();
    let sync = if missing.is_empty() { "in sync".to_owned() } else { missing.join(", ") };
    [
        format!("  {}", person(link.name.as_deref(), &link.peer)),
        text::line(&link.address).into_owned(),
        round_trip,
        format!("{} in, {} out", size(link.bytes_in), size(link.bytes_out)),
        sync,
        skew,
    ]
}

fn unreachable(other: &Unreachable) -> [String; 3] {
    [
        format!("  {}", other.peer.map_or_else(|| "?".to_owned(), |peer| peer.short())),
        text::line(&other.address).into_owned(),
        text::line(&other.reason).into_owned(),
    ]
}

fn flagged(status: &Status) -> Vec<String> {
    let line = |author: &crate::api::Flagged| {
        let who = person(author.name.as_deref(), &author.peer);
        let place = match (&author.group, author.at) {
            (Some(group), _) => format!("in {group}"),
            (None, Some(at)) => format!("at {at}"),
            (None, None) => "in the list of groups and names".to_owned(),
        };
        format!("  {who} {place}: {}", text::line(&author.reason))
    };
    let heading = (!status.flagged.is_empty()).then(|| "\nnot to be trusted".to_owned());
    heading.into_iter().chain(status.flagged.iter().map(line)).collect()
}

/// A name and the beginning of the key, since several people may have one name.
fn person(name: Option<&str>, key: &PeerId) -> String {
    match name {
        Some(name) => format!("{} ({})", text::line(name), key.short()),
        None => key.short(),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

fn seconds(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Behind;

    fn a_link() -> LinkStatus {
        LinkStatus {
            peer: PeerId([1; 32]),
            name: Some("anna\x1b[2J".to_owned()),
            address: "192.0.2.1:7117".to_owned(),
            rtt_ms: Some(1.25),
            skew_ms: Some(-30),
            bytes_in: 2048,
            bytes_out: 10,
            behind: Vec::new(),
        }
    }

    #[test]
    fn a_link_tells_what_is_missing_and_a_wrong_clock() {
        let in_sync = link(&a_link());
        assert_eq!(in_sync[0], "  anna␛[2J (01010101)");
        assert_eq!(in_sync[1..], ["192.0.2.1:7117", "1.2 ms", "2.0 KiB in, 10 B out", "in sync", ""]);
        let group: peer_engine::id::GroupName = "rust".parse().unwrap();
        let behind = Behind { group, entries: Some(3), unknown_heads: 1 };
        let other = link(&LinkStatus { skew_ms: Some(7_200_000), behind: vec![behind], ..a_link() });
        assert_eq!(other[4..], ["rust: it lacks 3 and has more", "its clock is 2 h ahead"]);
    }

    #[test]
    fn many_heads_are_cut_short() {
        let some: Vec<ChangeHash> = (1..=5).map(|byte| ChangeHash([byte; 32])).collect();
        assert_eq!(heads(&some[..1]), "head: 01010101");
        assert_eq!(heads(&some), "heads: 01010101 02020202 03030303 and 2 more");
    }

    #[test]
    fn sizes_and_times_are_short() {
        let sizes = [0, 1023, 1024, 1_572_864, u64::MAX].map(size);
        assert_eq!(sizes[..4], ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
        assert!(sizes[4].ends_with(" TiB"));
        assert_eq!(
            [2_000, 180_000, 86_400_000, 864_000_000].map(seconds),
            ["2 s", "3 min", "24 h", "10 days"]
        );
    }
}
