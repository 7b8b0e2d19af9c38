//! The verdict: a pure function of findings, freshness and the clock.
//!
//! Words and thresholds are those of the design reference: All clear, Attention, Act now, Cannot tell.

use serde::Serialize;
use sitewarden_core::{Timestamp, Trust};
use sitewarden_devices::{Freshness, Registry};
use sitewarden_findings::Counts;
use utoipa::ToSchema;

use super::{is_known, open_total};

/// Devices by freshness and trust. Freshness counts trusted devices only: what nobody approved is not
/// relied on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct DeviceCounts {
    /// All.
    pub(super) total: usize,
    /// Reported in time.
    pub(super) live: usize,
    /// Late.
    pub(super) late: usize,
    /// Over five intervals late.
    pub(super) stale: usize,
    /// Connection gone.
    pub(super) offline: usize,
    /// Never reported.
    pub(super) never: usize,
    /// Await approval.
    pub(super) awaiting: usize,
    /// Cut off.
    pub(super) quarantined: usize,
}

impl DeviceCounts {
    pub(super) fn of(registry: &Registry, now: Timestamp) -> Self {
        let mut counts = Self::default();
        for device in registry.all() {
            counts.total += 1;
            match device.trust {
                Trust::AwaitingApproval => counts.awaiting += 1,
                Trust::Quarantined => counts.quarantined += 1,
                Trust::Trusted | Trust::Fenced => {
                    let freshness = registry.freshness(&device.id, now);
                    let place = match freshness {
                        Freshness::Live => &mut counts.live,
                        Freshness::Late => &mut counts.late,
                        Freshness::Stale => &mut counts.stale,
                        Freshness::Offline => &mut counts.offline,
                        Freshness::Never => &mut counts.never,
                    };
                    debug_assert_eq!(
                        is_known(freshness),
                        matches!(freshness, Freshness::Live | Freshness::Late)
                    );
                    *place += 1;
                }
                Trust::IdentityChanged | Trust::Revoked => {}
            }
        }
        counts
    }

    /// Trusted devices that should report.
    fn relied_on(&self) -> usize {
        self.live + self.late + self.stale + self.offline
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) word: &'static str,
    pub(super) sentence: String,
    pub(super) reasons: Vec<String>,
}

impl Verdict {
    pub(super) fn of(findings: &Counts, devices: &DeviceCounts, clock_ok: bool) -> Self {
        let silent = devices.stale + devices.offline;
        let reasons = reasons(findings, devices, clock_ok);
        let of = |word, sentence: String| Self { word, sentence, reasons: reasons.clone() };
        if findings.critical > 0 {
            return of("act-now", format!("Act now: {} open.", many(findings.critical, "critical finding")));
        }
        if !clock_ok {
            return of("cannot-tell", "Cannot tell: the box's clock is wrong.".to_owned());
        }
        // Over 10 %: ten times as many as there are.
        if silent > 0 && silent * 10 > devices.relied_on() {
            let all = devices.relied_on();
            return of(
                "cannot-tell",
                format!("Cannot tell: {silent} of {all} trusted devices do not report."),
            );
        }
        if silent > 0 {
            return of("act-now", format!("Act now: {} silent.", many(silent as u64, "trusted device")));
        }
        let serious = findings.high + findings.medium;
        if serious > 0 {
            return of(
                "attention",
                format!("Attention: {} of high or medium severity open.", many(serious, "finding")),
            );
        }
        if devices.late > 0 {
            return of(
                "attention",
                format!("Attention: {} late.", many(devices.late as u64, "trusted device")),
            );
        }
        if devices.relied_on() == 0 {
            return of(
                "all-clear",
                "All clear, as far as the box can see: no trusted device has reported yet.".to_owned(),
            );
        }
        of(
            "all-clear",
            format!(
                "All clear: {} report in time and nothing above low is open.",
                many(devices.live as u64, "trusted device")
            ),
        )
    }
}

fn reasons(findings: &Counts, devices: &DeviceCounts, clock_ok: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut say = |count: u64, text: String| {
        if count > 0 {
            reasons.push(text);
        }
    };
    say(
        u64::from(!clock_ok),
        "The box's clock is behind what it has recorded, or before its own software was made".to_owned(),
    );
    say(findings.critical, many(findings.critical, "critical finding"));
    say(findings.high, many(findings.high, "high finding"));
    say(findings.medium, many(findings.medium, "medium finding"));
    say(devices.stale as u64, format!("{} stale", many(devices.stale as u64, "device")));
    say(devices.offline as u64, format!("{} offline", many(devices.offline as u64, "device")));
    say(devices.late as u64, format!("{} late", many(devices.late as u64, "device")));
    say(devices.awaiting as u64, format!("{} awaiting approval", many(devices.awaiting as u64, "device")));
    say(devices.quarantined as u64, format!("{} quarantined", many(devices.quarantined as u64, "device")));
    if reasons.is_empty() {
        let open = open_total(findings);
        reasons.push(if open == 0 {
            "No open finding".to_owned()
        } else {
            many(open, "finding of low severity or less")
        });
    }
    reasons
}

fn many(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    match what.split_once(" of ") {
        Some((noun, rest)) => format!("{count} {noun}{plural} of {rest}"),
        None => format!("{count} {what}{plural}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(findings: Counts, devices: DeviceCounts, clock_ok: bool) -> &'static str {
        Verdict::of(&findings, &devices, clock_ok).word
    }

    #[test]
    fn the_worst_decides() {
        let none = Counts::default();
        let live = DeviceCounts { total: 20, live: 20, ..DeviceCounts::default() };
        assert_eq!(word(none, live.clone(), true), "all-clear");
        assert_eq!(word(Counts { low: 3, info: 9, ..none }, live.clone(), true), "all-clear");
        assert_eq!(word(Counts { medium: 1, ..none }, live.clone(), true), "attention");
        assert_eq!(word(none, DeviceCounts { late: 1, ..live.clone() }, true), "attention");
        assert_eq!(word(none, DeviceCounts { stale: 1, ..live.clone() }, true), "act-now");
        assert_eq!(word(none, DeviceCounts { offline: 3, ..live.clone() }, true), "cannot-tell");
        assert_eq!(word(none, live.clone(), false), "cannot-tell");
        assert_eq!(
            word(Counts { critical: 1, ..none }, live, false),
            "act-now",
            "harm comes first, whatever the clock says"
        );
    }

    #[test]
    fn a_box_that_nobody_reports_to_does_not_boast() {
        let verdict = Verdict::of(&Counts::default(), &DeviceCounts::default(), true);
        assert!(verdict.sentence.contains("no trusted device has reported"), "{}", verdict.sentence);
    }

    #[test]
    fn numbers_and_nouns_agree() {
        assert_eq!(many(1, "finding of high or medium severity"), "1 finding of high or medium severity");
        assert_eq!(many(2, "trusted device"), "2 trusted devices");
    }
}
