//! Grants against plain matching: every answer is compared with a brute-force walk over small topics.

use proptest::prelude::*;

use super::*;

fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    fn walk(filter: &[&str], topic: &[&str]) -> bool {
        match (filter.split_first(), topic.split_first()) {
            (Some((&"#", _)), _) => true,
            (Some((&"+", filter)), Some((_, topic))) => walk(filter, topic),
            (Some((level, filter)), Some((found, topic))) => level == found && walk(filter, topic),
            (None, None) => true,
            _ => false,
        }
    }
    walk(&filter, &topic)
}

/// All topics of up to five levels over the letters of the rules and one that no rule has.
fn topics() -> Vec<String> {
    let letters = ["a", "b", "$x", "z", ""];
    let mut all: Vec<String> = letters.iter().map(|letter| (*letter).to_owned()).collect();
    let mut last = all.clone();
    for _ in 1..5 {
        last = last.iter().flat_map(|topic| letters.map(|letter| format!("{topic}/{letter}"))).collect();
        all.extend(last.iter().cloned());
    }
    all.retain(|topic| !topic.is_empty());
    all
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![Just("a"), Just("b"), Just("+"), Just("$x"), Just("")];
    (prop::collection::vec(level, 0..4), any::<bool>()).prop_map(|(mut levels, rest)| {
        // The empty topic does not exist, so a rule for it has no meaning.
        if let Some(first) = levels.first_mut().filter(|first| first.is_empty()) {
            *first = "a";
        }
        let mut text = levels.join("/");
        if rest || text.is_empty() {
            if !levels.is_empty() {
                text.push('/');
            }
            text.push('#');
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn containment_equals_brute_force(
        allows in prop::collection::vec(filter(), 0..4),
        denies in prop::collection::vec(filter(), 0..2),
        asked in filter(),
    ) {
        let mut builder = GrantsBuilder::new();
        for allow in &allows {
            builder = builder.allow_subscribe(allow).allow_deliver(allow);
        }
        for deny in &denies {
            builder = builder.deny_subscribe(deny).deny_deliver(deny);
        }
        let grants = builder.build();
        let allowed = |topic: &str| {
            allows.iter().any(|rule| matches(rule, topic)) && !denies.iter().any(|rule| matches(rule, topic))
        };

        let mut all = true;
        for topic in topics().iter().filter(|topic| matches(&asked, topic)) {
            prop_assert_eq!(grants.may_receive(topic), allowed(topic), "topic {}", topic);
            all &= allowed(topic);
        }
        prop_assert_eq!(grants.may_subscribe(&asked), all, "filter {}", asked);
        prop_assert_eq!(grants.may_receive_all(&asked), all, "filter {}", asked);
    }
}

#[test]
fn system_topics_cannot_be_published_whatever_the_rules_say() {
    let grants =
        GrantsBuilder::new().allow_publish("#").allow_publish("$SYS/#").allow_publish("$own/#").build();

    assert!(!grants.may_publish("$SYS"));
    assert!(!grants.may_publish("$SYS/broker/load"));
    assert!(grants.may_publish("$own/a"));
    assert!(grants.may_publish("a/$SYS"));
}

#[test]
fn a_wildcard_grant_does_not_reach_dollar_topics() {
    let grants = GrantsBuilder::new().allow_publish("#").allow_subscribe("#").allow_deliver("#").build();

    assert!(!grants.may_publish("$other/a"));
    assert!(!grants.may_subscribe("$SYS/#"));
    assert!(grants.may_subscribe("+/a"));
    assert!(!grants.may_receive_all("$SYS/#"));
}

#[test]
fn a_rule_for_every_dollar_topic_reaches_these_alone_and_never_the_system_s() {
    let grants = GrantsBuilder::new()
        .allow_publish("$*/#")
        .allow_subscribe("$*/#")
        .deny_subscribe("$own/secret")
        .allow_deliver("$*/a")
        .build();

    assert!(grants.may_publish("$own") && grants.may_publish("$own/a/b") && grants.may_publish("$*/a"));
    assert!(!grants.may_publish("own/a") && !grants.may_publish("a/$own") && !grants.may_publish("$SYS/a"));
    assert!(grants.may_subscribe("$other/+/#") && grants.may_subscribe("$SYS/#"));
    assert!(!grants.may_subscribe("$own/#") && !grants.may_subscribe("#") && !grants.may_subscribe("+/a"));
    assert!(grants.may_receive("$x/a") && !grants.may_receive("$x/b") && grants.may_receive_all("$x/a"));
}

#[test]
fn a_filter_that_would_cost_too_much_is_denied() {
    let mut builder = GrantsBuilder::new();
    for name in 0..40 {
        builder = builder.allow_subscribe(&format!("{name}/+/+/+/#"));
        for inner in 0..40 {
            builder = builder.allow_subscribe(&format!("+/{inner}/{name}/+/a"));
        }
    }
    let grants = builder.build();

    assert!(!grants.may_subscribe("+/+/+/+/+/+"));
}

#[test]
fn nothing_is_nothing() {
    let grants = Grants::none();
    assert!(!grants.may_connect() && !grants.may_publish("a") && !grants.may_subscribe("a"));
    assert!(!grants.may_receive("a"));
}
