//! Spans of time as rules write them: `30s`, `5m`, `1h`, `7d`.
//!
//! Sigma correlation rules specification, "Time Selection", and `ms` and `w` beside it. Invariant: a span is at
//! most ten years, so that sums never overflow.
#![deny(clippy::indexing_slicing)]

use std::time::Duration;

use crate::error::Fault;
use crate::yaml::Node;

const LONGEST: u64 = 10 * 366 * 86_400_000;

/// Reads a span; `None` when it is not one.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    let total = number.checked_mul(millis)?;
    (total <= LONGEST).then(|| Duration::from_millis(total))
}

/// Reads a span from a node.
pub(crate) fn read(node: &Node) -> Result<Duration, Fault> {
    node.text().and_then(parse).ok_or_else(|| {
        let shown = node.text().unwrap_or_else(|| node.kind_name());
        node.fault(
            format!("`{shown}` is not a span of time"),
            "write a whole number and a unit: 30s, 5m, 1h, 7d",
        )
    })
}

/// A span for people: `1h30m`.
pub(crate) fn show(span: Duration) -> String {
    let mut rest = span.as_secs();
    let mut text = String::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest >= seconds {
            text.push_str(&format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    if text.is_empty() { format!("{}ms", span.as_millis()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        assert_eq!(parse("90m"), Some(Duration::from_secs(5_400)));
        assert_eq!(parse("1500ms"), Some(Duration::from_millis(1_500)));
        for text in ["", "5", "m", "5 m", "-5m", "1.5h", "5M", "99999999999999999999s", "999999999d", "5é"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(show(Duration::from_secs(5_400)), "1h30m");
        assert_eq!(show(Duration::from_millis(20)), "20ms");
    }
}
