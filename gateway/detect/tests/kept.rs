//! Inputs that fuzzing found worth keeping, through the same bodies: each line of `kept/NAME.txt` is one, in base64.
//!
//! `make fuzz TARGET=NAME` finds new ones; an input that failed is added here when its fault is mended.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

fn replay(kept: &str, body: impl Fn(&[u8])) {
    let mut count = 0;
    for line in kept.lines() {
        body(&BASE64_STANDARD.decode(line).expect("base64"));
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn kept_events() {
    replay(include_str!("kept/rule_json.txt"), sitewarden_detect::fuzz_json);
}

#[test]
fn kept_snapshots() {
    replay(include_str!("kept/rule_snapshot.txt"), sitewarden_detect::fuzz_snapshot);
}

#[test]
fn kept_rules() {
    replay(include_str!("kept/rule.txt"), |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            sitewarden_detect::fuzz_rule(text);
        }
    });
}
