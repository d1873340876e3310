//! Every seed of the fuzz targets, and every input that one of them has once tripped over, is taken without a panic.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

type Run = fn(&[u8]);

const TARGETS: [(&str, Run); 6] = [
    ("api_body", fuzz::api_body),
    ("change", fuzz::change),
    ("frame", fuzz::frame),
    ("hello", fuzz::hello),
    ("sync_message", fuzz::sync_message),
    ("ticket", fuzz::ticket),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_seed_is_taken_without_a_panic() {
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        write_seeds();
    }
    for (target, run) in TARGETS {
        assert!(root().join(format!("fuzz/fuzz_targets/{target}.rs")).exists(), "{target}");
        let mut seeds: Vec<PathBuf> = fs::read_dir(root().join("fuzz/seeds").join(target))
            .expect(target)
            .map(|entry| entry.expect(target).path())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{target}");
        for seed in seeds {
            eprintln!("{}", seed.display());
            run(&fs::read(&seed).expect("a seed"));
        }
    }
    let targets = fs::read_dir(root().join("fuzz/fuzz_targets")).expect("the targets").count();
    assert_eq!(targets, TARGETS.len());
}

#[test]
fn every_golden_frame_is_taken_without_a_panic() {
    for entry in fs::read_dir(root().join("fixtures/golden")).expect("golden bytes") {
        let path = entry.expect("golden bytes").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        if name.starts_with("frame-") && name.ends_with(".hex") {
            let golden = fs::read_to_string(&path).expect("golden bytes");
            let bytes = HEXLOWER.decode(golden.trim_end().as_bytes()).expect("hexadecimal");
            fuzz::frame(&bytes);
            fuzz::hello(&bytes);
        }
    }
}

/// Makes the seeds from the golden bytes: for a new version of the protocol.
fn write_seeds() {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let place = root().join("fuzz/seeds").join(target);
        fs::create_dir_all(&place).expect("a place for seeds");
        fs::write(place.join(name), bytes).expect("a seed");
    };
    let golden = |name: &str| {
        fs::read_to_string(root().join("fixtures/golden").join(name))
            .expect("golden bytes")
            .trim_end()
            .to_owned()
    };
    let bytes = |name: &str| HEXLOWER.decode(golden(name).as_bytes()).expect("hexadecimal");
    let length = |bytes: usize| [bytes as u8 & 0x7f | 0x80, (bytes >> 7) as u8];
    let message = bytes("change-message.hex");
    let group = &message[12..44];
    for name in ["message", "full", "sealed", "empty"] {
        let change = bytes(&format!("change-{name}.hex"));
        write("change", name, &change);
        let sync = [&[0x42, 0, 0, 0, 1][..], &length(change.len()), &change].concat();
        write("sync_message", &format!("change-{name}"), &sync);
        write("frame", &format!("change-{name}"), &[&[1], group, &sync].concat());
    }
    for name in ["hello", "peers", "subscribe", "unsubscribe", "newest", "ping", "pong", "close"] {
        write("frame", name, &bytes(&format!("frame-{name}.hex")));
    }
    write("frame", "ahead", &bytes("frame-ahead.hex"));
    write(
        "frame",
        "change-ahead",
        &[&[3], group, &[0x42, 0, 0, 0, 1][..], &length(message.len()), &message].concat(),
    );
    for name in ["sync", "sync-heads"] {
        let frame = bytes(&format!("frame-{name}.hex"));
        write("frame", name, &frame);
        write("sync_message", name, &frame[33..]);
    }
    write("hello", "hello", &bytes("frame-hello.hex"));
    let ticket = golden("frame-ticket.txt");
    write("ticket", "ticket", ticket.as_bytes());
    let fields = data_encoding::BASE32_NOPAD.decode(ticket[5..].to_uppercase().as_bytes()).expect("a ticket");
    write("ticket", "fields", &fields[..fields.len() - 4]);
    for (name, body) in [
        (
            "messages",
            r#"{"messages":[{"body":"hello","at":"2026-01-31T14:03:59.999Z"},{"body":"b"}],"patience_ms":5}"#,
        ),
        (
            "relayed",
            &format!(r#"{{"messages":[{{"body":"hi","from":"irc-bob","re":"{}"}}]}}"#, "07".repeat(32)),
        ),
        ("name", r#"{"name":"anna \u202e"}"#),
        ("topic", r#"{"topic":"rust, and what it is not"}"#),
        ("group", r#"{"name":"rust"}"#),
        (
            "query",
            "limit=50&before=0707070707070707070707070707070707070707070707070707070707070707&text=a+b",
        ),
    ] {
        write("api_body", name, body.as_bytes());
    }
}
