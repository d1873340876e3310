#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peer_fuzz::change(bytes));
