//! `sitewarden rules test`: runs the `tests:` of rules.
//!
//! Each test runs in an engine of its own with the whole set, so that correlations see the rules that they refer to;
//! only the matches of the tested rule count. No clock and no files. Invariant: a rule without tests is told, so that
//! a set without tests cannot pass by saying nothing.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sitewarden_core::{Event, FindingDraft, LogSource, Monotonic, Now, Timestamp};

use crate::engine::{Engine, Limits};
use crate::error::RuleError;
use crate::rule::Rule;
use crate::rule::duration::show;
use crate::rule::tests_section::{Expected, RuleTest};
use crate::set::RuleSet;

/// What came of all tests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Each test.
    pub tests: Vec<Outcome>,
    /// Rules that have no test.
    pub untested: Vec<Arc<str>>,
    /// Rules that did not load, in words.
    pub errors: Vec<String>,
}

/// What came of one test.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The rule's id.
    pub rule: Arc<str>,
    /// The test's name.
    pub name: Arc<str>,
    /// The file.
    pub file: Arc<str>,
    /// The test's line in the file.
    pub line: u32,
    /// What differed; `None` when it passed.
    pub failure: Option<String>,
}

impl Report {
    /// Whether everything loaded and every test passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.errors.is_empty() && self.tests.iter().all(|test| test.failure.is_none())
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for test in &self.tests {
            let told =
                test.failure.as_ref().map_or_else(|| "ok".to_owned(), |failure| format!("FAILED: {failure}"));
            let _ = writeln!(text, "{}:{}: {}: {told}", test.file, test.line, test.name);
        }
        for rule in &self.untested {
            let _ = writeln!(text, "{rule}: has no tests");
        }
        for error in &self.errors {
            let _ = writeln!(text, "{error}");
        }
        let failed = self.tests.iter().filter(|test| test.failure.is_some()).count();
        let _ = writeln!(
            text,
            "{} tests, {failed} failed, {} rules did not load",
            self.tests.len(),
            self.errors.len()
        );
        text
    }
}

/// Runs the tests of all rules in the files.
#[must_use]
pub fn run<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Report {
    let (set, errors) = RuleSet::load(files);
    let set = Arc::new(set);
    let mut report =
        Report { errors: errors.iter().map(RuleError::to_string).collect(), ..Report::default() };
    for rule in set.rules() {
        if rule.tests.is_empty() && !set.is_referred_to(&rule.id) {
            report.untested.push(rule.id.clone());
        }
        for test in &rule.tests {
            report.tests.push(Outcome {
                rule: rule.id.clone(),
                name: test.name.clone(),
                file: rule.file.clone(),
                line: test.line,
                failure: differs(&run_one(&set, rule, test), &test.expect),
            });
        }
    }
    report
}

/// When tests begin: a Tuesday, 10:00 UTC, so that schedules can be tested.
const BEGIN_SECONDS: i64 = 1_795_514_400;

fn now(at: Duration) -> Now {
    let mono = Monotonic::from_micros(0).after(at);
    Now { wall: Timestamp::from_seconds(BEGIN_SECONDS).after(at), mono }
}

/// A match as a test sees it.
struct Got {
    at: Duration,
    cleared: bool,
    key: Arc<str>,
}

fn run_one(set: &Arc<RuleSet>, rule: &Rule, test: &RuleTest) -> Vec<Got> {
    let source = set.source_of(rule);
    let mut engine = Engine::new(set.clone(), Limits::default());
    let mut got = Vec::new();
    engine.set_inventory(test.inventory.clone(), now(Duration::ZERO));
    for event in &test.events {
        pass_until(&mut engine, event.at, rule, &mut got);
        let now = now(event.at);
        let event = Event {
            source: own_source(&source, &event.fields),
            asset: None,
            time: now.wall,
            received: now.wall,
            fields: event.fields.iter().filter(|(name, _)| !ROUTING.contains(&&**name)).cloned().collect(),
        };
        let mut out = Vec::new();
        engine.handle_event(&event, now, &mut out);
        collect(&out, rule, &mut got);
    }
    let last = test.events.last().map_or(Duration::ZERO, |event| event.at);
    pass_until(&mut engine, test.until.map_or(last, |until| until.max(last)), rule, &mut got);
    got
}

/// Fields of a test's event that say where it belongs instead of being part of it.
const ROUTING: [&str; 3] = ["logsource.product", "logsource.category", "logsource.service"];

fn own_source(source: &LogSource, fields: &[(Arc<str>, sitewarden_core::Value)]) -> LogSource {
    let given = |name: &str| {
        let value = fields.iter().find(|(key, _)| &**key == name).map(|(_, value)| value);
        value.and_then(crate::fields::text).map(|text| Arc::from(&*text))
    };
    LogSource {
        product: given(ROUTING[0]).or_else(|| source.product.clone()),
        category: given(ROUTING[1]).or_else(|| source.category.clone()),
        service: given(ROUTING[2]).or_else(|| source.service.clone()),
    }
}

fn pass_until(engine: &mut Engine, until: Duration, rule: &Rule, got: &mut Vec<Got>) {
    let end = Monotonic::from_micros(0).after(until);
    while let Some(due) = engine.next_deadline().filter(|due| *due <= end) {
        let mut out = Vec::new();
        engine.handle_timeout(now(due.since(Monotonic::from_micros(0))), &mut out);
        collect(&out, rule, got);
    }
}

fn collect(out: &[FindingDraft], rule: &Rule, got: &mut Vec<Got>) {
    got.extend(out.iter().filter(|draft| draft.rule_id == rule.id).map(|draft| Got {
        // A gap is told a microsecond after its end; tests are written in whole milliseconds.
        at: Duration::from_millis(millis(draft.time.since(Timestamp::from_seconds(BEGIN_SECONDS)))),
        cleared: draft.cleared,
        key: draft.dedup_key.clone(),
    }));
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn differs(got: &[Got], expected: &[Expected]) -> Option<String> {
    let same = got.len() == expected.len()
        && got.iter().zip(expected).all(|(got, expected)| {
            expected.at.is_none_or(|at| at == got.at)
                && got.cleared == expected.cleared
                && expected.key.as_ref().is_none_or(|key| got.key.contains(&**key))
        });
    if same {
        return None;
    }
    let word = |cleared: bool| if cleared { " (cleared)" } else { "" };
    let got: Vec<String> =
        got.iter().map(|got| format!("{} at {}{}", got.key, show(got.at), word(got.cleared))).collect();
    let wanted: Vec<String> = expected
        .iter()
        .map(|one| {
            format!(
                "a match{}{}",
                one.at.map(|at| format!(" at {}", show(at))).unwrap_or_default(),
                word(one.cleared)
            )
        })
        .collect();
    let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    Some(format!("expected {}, got {}", list(&wanted), list(&got)))
}

#[cfg(test)]
mod tests;
