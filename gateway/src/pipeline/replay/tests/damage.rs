//! What is damaged, missing or of other rules costs itself and what rests on it, and nothing after it.

use super::*;

#[test]
fn a_damaged_block_and_what_rests_on_it_are_left_out_and_the_next_chain_is_not() {
    let mut whole = warm();
    assert_eq!(replayed(&mut whole), [""; 0]);
    assert!(goes_on(&mut whole));

    for bit in 0..whole.journal[0].1.len() * 8 {
        let mut site = warm();
        site.journal[0].1[bit / 8] ^= 1 << (bit % 8);
        let errors = replayed(&mut site);
        assert_eq!(errors.len(), 4, "bit {bit}: the block itself and the three that rest on it: {errors:?}");
        assert!(!goes_on(&mut site));
    }

    let mut site = warm();
    site.journal[0].1[7] ^= 1;
    site.judge.log().begin_anew();
    for second in [132, 134] {
        let standing = Standing { trusted: true, zone: Some("hall".into()) };
        let now = at(second);
        let step = Step::Reading(reading("b", ReadingValue::Number(9.0), now), "site/y".into(), standing);
        let (readings, _) = site.perform(&vec![(now, step)]);
        site.commit(readings);
    }
    assert_eq!(replayed(&mut site).len(), 4);
    let mut out = Vec::new();
    site.judge.timeout(at(162), &mut out);
    assert!(
        out.iter().any(|draft| &*draft.rule_id == "timer"),
        "the chain after the damage is replayed: {out:?}"
    );
}

#[test]
fn rules_that_changed_while_the_box_was_down_begin_anew_and_the_others_go_on() {
    let mut site = warm();
    site.set = rules(&RULES.replace("for: 40s", "for: 41s"));
    site.kill();
    assert!(!goes_on(&mut site), "the changed rule saw nothing yet");

    let mut site = warm();
    site.set = rules(&RULES.replace("title: seen", "title: shown"));
    site.kill();
    assert!(goes_on(&mut site));
    // The next block says which rules are in force: after another kill it is the same.
    site.kill();
    assert!(!goes_on(&mut site), "it was told before");
}

#[test]
fn a_block_that_was_never_stored_is_noticed() {
    let mut site = warm();
    site.journal.remove(1);
    let errors = replayed(&mut site);
    assert_eq!(errors, ["it rests on a block that is damaged or was never stored"; 2]);

    let mut site = warm();
    site.journal[1].0.clear();
    assert_eq!(replayed(&mut site)[0], "it is damaged", "its readings are missing");
}

#[test]
fn every_kind_of_value_comes_back_as_it_was() {
    let mut deep = Value::from("end");
    for _ in 0..VALUE_DEPTH {
        deep = Value::List(vec![deep]);
    }
    let fields: Vec<(Arc<str>, Value)> = [
        Value::Null,
        Value::from(true),
        Value::from(false),
        Value::from(i64::MIN),
        Value::Float(0.1 + 0.2),
        Value::from("ä\u{1f}"),
        Value::Map(vec![("a".into(), Value::List(vec![Value::from(1), Value::Null]))]),
        deep,
    ]
    .into_iter()
    .enumerate()
    .map(|(index, value)| (Arc::from(format!("field {index}")), value))
    .collect();
    let event = Event {
        source: LogSource { product: Some("p".into()), category: None, service: Some("s".into()) },
        asset: Some(AssetRef::new("a")),
        time: Timestamp::from_micros(-5),
        received: Timestamp::from_micros(i64::MAX),
        fields,
    };
    let mut log = CallLog::new(vec![1, u64::MAX]);
    log.event(&event, at(7));
    log.event(&event, at(3));
    let bytes = log.take();

    let (_, calls) = decode(None, &[], &bytes, &ReadingFields::default()).expect("not damaged");
    let [Call::Rules(marks), Call::Event(first, now), Call::Event(second, earlier)] = &calls[..] else {
        panic!("{} calls", calls.len())
    };
    assert_eq!(marks, &[1, u64::MAX]);
    assert_eq!((&**first, &**second), (&event, &event));
    assert_eq!((*now, *earlier), (at(7), at(3)));
    assert!(log.take().is_empty(), "nothing came since");
}

#[test]
fn bytes_of_another_version_and_all_mutations_end_in_an_error_or_other_calls() {
    let mut log = CallLog::new(vec![7]);
    log.reading(&"a/b".into(), Some(&"cold".into()), at(1));
    log.event(&sign_in_failed("10.0.0.1", at(2)), at(2));
    log.inventory(&BTreeSet::from([asset("a")]), &BTreeSet::from([asset("b")]), at(3));
    let framed = log.take();
    let bytes = unpack(&framed[4..]).expect("packed");
    let readings = [reading("a", ReadingValue::Bool(true), at(1))];
    let frame = |bytes: &[u8]| {
        let packed = sitewarden_telemetry::codec::pack(bytes);
        [&checksum(&packed).to_le_bytes()[..], &packed].concat()
    };
    let decode = |bytes: &[u8]| decode(None, &readings, &frame(bytes), &ReadingFields::default());
    assert_eq!(decode(&bytes).expect("whole").1.len(), 4);

    let mut other = bytes.clone();
    assert_eq!(other[1..3], [0, 1], "a begin and its version");
    other[2] = 9;
    assert!(decode(&other).err().expect("refused").to_string().contains("damaged"));
    for at in 0..bytes.len() {
        let _ = decode(&bytes[..at]);
        for bit in 0..8 {
            let mut mutated = bytes.clone();
            mutated[at] ^= 1 << bit;
            let _ = decode(&mutated);
        }
    }
}
