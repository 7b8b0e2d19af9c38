//! Compressed batches of the cloud API.
//!
//! The body stands in its crate and is replayed by `make test`; here libFuzzer drives it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sitewarden_log::fuzz_packed(data);
});
