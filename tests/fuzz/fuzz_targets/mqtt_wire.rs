//! MQTT packets as a client may send them: framing, guard, decoding.
//!
//! The body stands in its crate and is replayed by `make test`; here libFuzzer drives it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sitewarden_broker::wire::fuzz_decode(data);
});
