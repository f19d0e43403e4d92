#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| level_session::fuzzing::request(data));
