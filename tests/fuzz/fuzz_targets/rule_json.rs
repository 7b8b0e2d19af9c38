//! Events as JSON bytes, against the plain reading of rules.
//!
//! The body stands in its crate and is replayed by `make test`; here libFuzzer drives it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sitewarden_detect::fuzz_json(data);
});
