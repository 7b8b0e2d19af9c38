//! The broker's core driven by a script of inputs: connections, packets, commits, time.
//!
//! The body stands in its crate and is replayed by `make test`; here libFuzzer drives it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sitewarden_broker::core::fuzz_core(data);
});
