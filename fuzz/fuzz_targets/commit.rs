#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| level_session_fjall::records(data));
