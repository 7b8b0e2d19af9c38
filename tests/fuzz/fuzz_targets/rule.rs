//! Rule files.
//!
//! The body stands in its crate and is replayed by `make test`; here libFuzzer drives it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        sitewarden_detect::fuzz_rule(text);
    }
});
