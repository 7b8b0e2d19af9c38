//! Codes, enrolment, revocation and findings' numbers on a real store; times of what an agent without a clock saw.

use std::sync::Arc;

use sitewarden_core::{Action, Permit, Resource, Role, TimeSource, Timestamp, Trust};
use sitewarden_store::testing::{TestStore, gate, person};
use sitewarden_store::{Tx, WriteError, site_log};
use sitewarden_wire::DeviceId;
use sitewarden_wire::code::Code;
use sitewarden_wire::message::{Quantity, Stamp};
use sitewarden_wire::statement::{Finding, FindingKind, FindingState};

use super::acts::{self, Enrolled, Proved};
use super::agent::{Agent, Firmware, Orders, Run};
use super::*;
use crate::acts::resource;
use crate::limits::{AGENT_FINDINGS, CODE_LIFE, OPEN_CODES};
use crate::{Device, MIGRATIONS};

fn agents() -> Arc<Agents> {
    Arc::new(Agents::new(SiteKeys::new(&[1; 32], &[2; 32], &[3; 32]).expect("keys")))
}

struct Test {
    store: TestStore,
    agents: Arc<Agents>,
}

impl Test {
    fn new() -> Self {
        Self { store: TestStore::new(&[MIGRATIONS]), agents: agents() }
    }

    fn write<R: Send + 'static>(
        &self,
        act: impl FnOnce(&Tx<'_>, &SiteKeys) -> Result<R, AgentError> + Send + 'static,
    ) -> Result<R, AgentError> {
        let agents = Arc::clone(&self.agents);
        self.store.store.write_blocking("test", move |tx| act(tx, agents.keys())).map_err(|error| match error
        {
            WriteError::Failed { source, .. } => source,
            other => panic!("{other:?}"),
        })
    }

    fn open(&self, code: Option<&str>, approve: bool) -> Result<String, AgentError> {
        let new =
            NewCode { code: code.map(str::to_owned), name: "Cold room".into(), zone: "cold".into(), approve };
        let permit = permit(Action::DeviceEnrol, Resource::site());
        let (open, code) = self.write(move |tx, keys| open_code(tx, permit, keys, &new))?;
        self.agents.open_code(open);
        Ok(code)
    }

    fn enrol(&self, code: &str, n: u8) -> Result<Enrolled, AgentError> {
        let wire = DeviceId::from_bytes([n; 8]);
        let permit = gate().system("enrolment", Action::DeviceEnrol, resource(&inventory_id(wire)));
        let proved = Proved {
            device: wire,
            link: [n; 32],
            signing: [n.wrapping_add(1); 32],
            firmware: Firmware::new("mps2", [0, 1, 0], [n; 32]),
            hash: codes::hash(&Code::parse(code).expect("a code")),
        };
        self.write(move |tx, keys| acts::enrol(tx, permit, keys, &proved))
    }

    fn take(&self, wire: DeviceId, sequence: u64) -> Taken {
        self.write(move |tx, _| {
            let permit = gate().system("agent", Action::FindingRaise, Resource::site());
            Ok(take_finding(tx, permit, wire, sequence)?)
        })
        .expect("stored")
    }

    fn log(&self) -> Vec<site_log::Record> {
        match self.store.store.read_blocking(|conn| site_log::read(conn, 0, 100)).expect("read") {
            site_log::Page::Records(records) => records,
            site_log::Page::Reset { .. } => panic!("nothing was pruned"),
        }
    }
}

fn permit(action: Action, resource: Resource) -> Permit {
    gate().permit(&person("elin", Role::Operator), action, resource).expect("allowed")
}

fn over<T: std::fmt::Debug>(result: Result<T, AgentError>, why: &str) {
    let error = result.expect_err(why);
    assert!(matches!(&error, AgentError::CodeOver { .. }) && error.to_string().contains(why), "{error}");
}

#[test]
fn a_code_enrols_one_device_whose_repeat_gets_the_same_secret() {
    let test = Test::new();
    let code = test.open(None, true).expect("opened");

    let first = test.enrol(&code, 7).expect("enrolled");
    let again = test.enrol(&code, 7).expect("its answer was lost");
    over(test.enrol(&code, 8), "was used by agent 0707070707070707");
    over(test.open(Some(&code.to_lowercase()), true), "was used by agent 0707070707070707");

    assert_eq!(first.agent.psk.expose(), again.agent.psk.expose());
    let Device { id, name, zone, trust, .. } = &first.device;
    assert_eq!(
        (&**id, &**name, &**zone, *trust),
        ("agent:0707070707070707", "Cold room", "cold", Trust::Trusted)
    );
    let log = test.log();
    let kinds: Vec<_> = log.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["agent.code-opened", "agent.enrolled"]);
    let body = &log[1].body;
    assert_eq!(body["agent"], "0707070707070707");
    assert_eq!(body["device"], "agent:0707070707070707");
    assert_eq!(body["signing_key"], "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=");
    assert_eq!(body["link_key"], "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let text = log.iter().map(|record| record.body.to_string()).collect::<String>();
    assert!(!text.contains(&code) && !text.contains(&code.replace('-', "")), "no code in the log");
}

#[test]
fn expired_withdrawn_unreadable_and_too_many_codes_are_refused() {
    let test = Test::new();
    let code = test.open(None, true).expect("opened");
    assert!(matches!(test.open(Some(&code), true), Err(AgentError::CodeOpen { .. })));
    assert!(matches!(test.open(Some("nonsense"), true), Err(AgentError::Code(_))));

    test.store.forward(CODE_LIFE);
    over(test.enrol(&code, 7), "is over");
    let code = test.open(Some(&code), true).expect("an expired code that nobody used may be opened again");
    let id = test.agents.codes()[0].id.to_string();
    let (permit_1, permit_2) =
        (permit(Action::DeviceEnrol, Resource::site()), permit(Action::DeviceEnrol, Resource::site()));
    let (first, second) = (id.clone(), id);
    test.write(move |tx, _| withdraw_code(tx, permit_1, &first)).expect("withdrawn");
    assert!(matches!(
        test.write(move |tx, _| withdraw_code(tx, permit_2, &second)),
        Err(AgentError::NoCode(_))
    ));
    over(test.enrol(&code, 7), "was withdrawn");
    for _ in 0..OPEN_CODES {
        test.open(None, true).expect("opened");
    }
    assert!(matches!(test.open(None, true), Err(AgentError::TooManyCodes)));
}

#[test]
fn after_a_restart_codes_secrets_and_keys_are_there_and_in_the_file_in_no_clear_form() {
    let test = Test::new();
    let open = test.open(None, false).expect("opened");
    let used = test.open(None, false).expect("opened");
    let enrolled = test.enrol(&used, 7).expect("enrolled");
    assert_eq!(enrolled.device.trust, Trust::AwaitingApproval, "who opened the code may not approve");

    let after = agents();
    let now = test.store.store.read_blocking(|conn| {
        after.load(conn, Timestamp::from_micros(0))?;
        let sealed: Vec<u8> = conn.query_row("SELECT psk FROM agent", [], |row| row.get(0)).expect("a row");
        let codes: String = conn
            .query_row("SELECT group_concat(hex(sealed)) FROM agent_code", [], |row| row.get(0))
            .expect("rows");
        Ok::<_, AgentError>((sealed, codes))
    });
    let (sealed, codes) = now.expect("read");

    let psk = enrolled.agent.psk.expose();
    assert_eq!(after.get(DeviceId::from_bytes([7; 8])).expect("known").psk.expose(), psk);
    assert!(!sealed.windows(32).any(|bytes| bytes == psk));
    assert!(codes.len() > 80 && !codes.contains(&super::keys::hex(open.as_bytes()).to_uppercase()));
    let known: Vec<_> = after.codes().iter().map(|code| (code.code.to_string(), code.used_by)).collect();
    assert!(
        known.contains(&(open, None)) && known.contains(&(used, Some(DeviceId::from_bytes([7; 8])))),
        "{known:?}"
    );
    let other = Agents::new(SiteKeys::new(&[1; 32], &[2; 32], &[4; 32]).expect("keys"));
    let refused = test.store.store.read_blocking(|conn| other.load(conn, Timestamp::from_micros(0)));
    assert!(refused.is_err(), "sealed with another key");
}

#[test]
fn a_revoked_agent_has_no_secret_and_comes_back_by_a_new_code_alone() {
    let test = Test::new();
    let code = test.open(None, true).expect("opened");
    let first = test.enrol(&code, 7).expect("enrolled");
    let wire = first.agent.wire;
    let revoke_it = || {
        let permit = permit(Action::DeviceQuarantine, resource(&inventory_id(wire)));
        test.write(move |tx, keys| revoke(tx, permit, keys, wire, "stolen"))
    };

    let (agent, device) = revoke_it().expect("revoked");
    assert!(agent.revoked.is_some() && device.trust == Trust::Revoked);
    assert!(matches!(revoke_it(), Err(AgentError::Revoked(_))));
    let sealed: Vec<u8> = test
        .store
        .store
        .read_blocking(|conn| {
            Ok::<_, AgentError>(conn.query_row("SELECT psk FROM agent", [], |row| row.get(0)).expect("a row"))
        })
        .expect("read");
    assert!(sealed.is_empty());

    let code = test.open(None, true).expect("opened");
    let second = test.enrol(&code, 7).expect("enrolled again");
    assert_eq!((second.agent.revoked, second.device.trust), (None, Trust::Trusted));
    assert_ne!(first.agent.psk.expose(), second.agent.psk.expose());
    let kinds: Vec<_> = test.log().into_iter().map(|record| record.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "agent.revoked").count(), 1);
    assert_eq!(kinds.iter().filter(|kind| *kind == "agent.enrolled").count(), 2);
}

#[test]
fn a_findings_number_is_taken_once_also_out_of_order_and_after_the_oldest_went() {
    let test = Test::new();
    let code = test.open(None, true).expect("opened");
    let wire = test.enrol(&code, 7).expect("enrolled").agent.wire;

    assert_eq!(test.take(DeviceId::from_bytes([9; 8]), 1), Taken::NoAgent);
    assert_eq!(
        [5, 5, 3, 3, u64::MAX, u64::MAX].map(|n| test.take(wire, n)),
        [Taken::New, Taken::Before, Taken::New, Taken::Before, Taken::New, Taken::Before]
    );
    let many = u64::try_from(AGENT_FINDINGS).expect("small");
    test.write(move |tx, _| {
        for sequence in 10..10 + many {
            let permit = gate().system("agent", Action::FindingRaise, Resource::site());
            assert_eq!(take_finding(tx, permit, wire, sequence)?, Taken::New, "{sequence}");
        }
        Ok(())
    })
    .expect("stored");
    assert_eq!(
        test.take(wire, 3),
        Taken::Before,
        "its number is forgotten, but it is older than all that are known"
    );
    let kept: usize = test
        .store
        .store
        .read_blocking(|conn| {
            Ok::<_, AgentError>(
                conn.query_row("SELECT count(*) FROM agent_finding", [], |row| row.get(0)).expect("a row"),
            )
        })
        .expect("read");
    assert_eq!(kept, AGENT_FINDINGS);
}

#[test]
fn orders_rise_with_each_change_and_bad_ones_change_nothing() {
    let test = Test::new();
    let code = test.open(None, true).expect("opened");
    let wire = test.enrol(&code, 7).expect("enrolled").agent.wire;
    let order = |orders: Orders| {
        let permit = permit(Action::DeviceEdit, resource(&inventory_id(wire)));
        test.write(move |tx, keys| set_orders(tx, permit, keys, wire, orders)).map(|agent| agent.orders)
    };
    let rule =
        OrderedRule { id: 1, sensor: 0, check: CheckKind::Below, limit: Some(2), clear: Some(1), hold_ms: 0 };

    assert_eq!(order(Orders { version: 99, report_ms: 5, rules: vec![] }).expect("stored").version, 2);
    assert!(order(Orders { rules: vec![rule], ..Orders::default() }).is_err());
    assert_eq!(order(Orders::default()).expect("stored").version, 3);
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn run(id: u8, counter: u32, started: i64) -> Run {
    Run {
        id: [id; 8],
        counter,
        started: seconds(started),
        heard: seconds(started + 5),
        firmware: Firmware::default(),
    }
}

fn an_agent(runs: Vec<Run>) -> Agent {
    Agent {
        wire: DeviceId::from_bytes([7; 8]),
        device: "agent:0707070707070707".into(),
        link: [0; 32],
        signing: [0; 32],
        psk: sitewarden_wire::keys::Secret::new([0; 32]),
        enrolled: seconds(0),
        revoked: None,
        firmware: Firmware::default(),
        orders: Orders::default(),
        runs,
    }
}

#[test]
fn readings_of_an_agent_are_in_usual_units_and_placed_by_its_run() {
    let agent = an_agent(Vec::new());
    let reading = |sensor, quantity, value, unix_ms| sitewarden_wire::message::Reading {
        sensor,
        quantity,
        value,
        at: Stamp { uptime_ms: 2_000, unix_ms },
    };
    let values = [
        reading(0, Quantity::TEMPERATURE, -18_250, Some(1_000_000)),
        reading(1, Quantity::CONTACT, 1, None),
        reading(2, Quantity(99), 7, Some(u64::MAX)),
    ];
    let run = run(1, 1, 990);

    let readings = told::readings(&agent, values, Some(&run), seconds(1_001));

    let told: Vec<_> = readings.iter().map(|r| (r.asset.as_str(), &*r.metric, &*r.unit, r.time)).collect();
    assert_eq!(
        told,
        [
            ("agent:0707070707070707:0", "temperature", "Cel", seconds(1_000)),
            ("agent:0707070707070707:1", "contact", "", seconds(992)),
            ("agent:0707070707070707:2", "quantity-99", "", seconds(992)),
        ]
    );
    assert_eq!(readings[0].value, sitewarden_core::ReadingValue::Number(-18.25));
    assert_eq!(readings[1].value, sitewarden_core::ReadingValue::Bool(true));
    let without = told::readings(&agent, [reading(1, Quantity::CONTACT, 0, None)], None, seconds(1_001));
    assert_eq!((without[0].time, without[0].time_source), (seconds(1_001), TimeSource::Arrival));
}

#[test]
fn findings_before_the_time_was_known_are_placed_by_uptime_and_run() {
    let agent = an_agent(vec![run(3, 3, 3_000), run(2, 2, 2_000)]);
    let finding = |boot: u8, unix_ms| Finding {
        device: agent.wire,
        sequence: 4_294_967_296,
        boot_id: [boot; 8],
        boot_counter: u32::from(boot),
        uptime_ms: 7_000,
        unix_ms,
        rule: 4,
        kind: FindingKind::Above,
        state: FindingState::Raised,
        sensor: Some(1),
        quantity: Some(Quantity::HUMIDITY),
        value: Some(70_500),
        limit: Some(60_000),
        parameters: 2,
        lost: None,
    };
    let draft = |boot, unix_ms| told::draft(&agent, &finding(boot, unix_ms), b"signed", seconds(9_000));
    let time = |boot, unix_ms| {
        let draft = draft(boot, unix_ms);
        let known_by = draft.evidence.events[0].fields["time_known_by"].as_str().expect("text").to_owned();
        (draft.time, known_by)
    };

    assert_eq!(time(3, Some(8_000_000)), (seconds(8_000), "the agent's clock".to_owned()));
    assert_eq!(time(3, None), (seconds(3_007), "uptime and run".to_owned()));
    assert_eq!(time(2, None), (seconds(2_007), "uptime and run".to_owned()));
    assert_eq!(time(1, None), (seconds(2_000), "before the agent's next start".to_owned()));
    assert_eq!(time(4, None), (seconds(9_000), "arrival".to_owned()));
    assert_eq!(time(3, Some(u64::MAX)), (seconds(3_007), "uptime and run".to_owned()), "years ahead");
    let draft = draft(3, None);
    assert_eq!(draft.evidence.reason, "humidity of sensor 1 was 70.5 %, above its limit of 60 %.");
    assert_eq!(&*draft.dedup_key, "agent:0707070707070707:above:4:1");
    let statement = draft.evidence.statement.expect("signed");
    assert_eq!((&*statement.sequence, &*statement.bytes), ("4294967296", "c2lnbmVk"));
}
