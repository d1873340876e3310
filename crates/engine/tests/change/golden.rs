//! The format does not drift: fixed keys and contents give the recorded bytes.

use data_encoding::HEXLOWER;
use peer_engine::change::Unverified;

use crate::samples::{fixed, genesis, group};

const GENESIS: &str = include_str!("../../../../fixtures/golden/genesis.hex");
const CHANGES: [(&str, &str); 4] = [
    ("message", include_str!("../../../../fixtures/golden/change-message.hex")),
    ("full", include_str!("../../../../fixtures/golden/change-full.hex")),
    ("sealed", include_str!("../../../../fixtures/golden/change-sealed.hex")),
    ("empty", include_str!("../../../../fixtures/golden/change-empty.hex")),
];

#[test]
fn the_genesis_has_the_bytes_on_record() {
    assert_eq!(HEXLOWER.encode(&genesis().bytes()), GENESIS.trim());
}

#[test]
fn changes_have_the_bytes_on_record() {
    for ((name, change), (recorded_name, recorded)) in fixed().into_iter().zip(CHANGES) {
        assert_eq!(name, recorded_name);
        assert_eq!(HEXLOWER.encode(change.bytes()), recorded.trim(), "{name}");
        let bytes = HEXLOWER.decode(recorded.trim().as_bytes()).unwrap();
        assert_eq!(Unverified::decode(&bytes).unwrap().verify(group()).unwrap(), change, "{name}");
    }
}
