//! The tables against the plainest possible model of them.

use bytes::Bytes;
use proptest::prelude::*;
use sitewarden_core::asset::Trust;
use sitewarden_core::gate::{Principal, Role};

use super::*;
use crate::core::Disk;
use crate::wire::{MessageProperties, QoS};

fn memory() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    for (_, _, sql) in MIGRATIONS.steps {
        conn.execute_batch(sql).unwrap();
    }
    conn
}

fn principal() -> Principal {
    Principal::Device { id: "mqtt:a:b".into(), trust: Trust::Trusted }
}

fn message(id: u64) -> Arc<Message> {
    let properties = MessageProperties {
        message_expiry: Some(9),
        content_type: Some("text".into()),
        correlation_data: Some(Bytes::from_static(&[0, 255])),
        user: vec![("k".into(), "1".into()), ("k".into(), "2".into())],
        ..MessageProperties::default()
    };
    Arc::new(Message {
        id,
        topic: format!("t/{id}").into(),
        payload: Bytes::from(vec![u8::try_from(id).unwrap(); 3]),
        qos: QoS::ExactlyOnce,
        retain: id.is_multiple_of(2),
        properties: (id.is_multiple_of(3)).then(|| Arc::new(properties)),
        expires: (id.is_multiple_of(3)).then(|| Timestamp::from_seconds(5)),
    })
}

fn op() -> impl Strategy<Value = StoreOp> {
    let (session, id, seq) = (1..4_u64, 1..6_u64, 0..4_u64);
    let options = (0..3_u8, any::<(bool, bool)>(), 0..3_u8, prop::option::of(1..9_u32)).prop_map(
        |(qos, (no_local, retain_as_published), handling, id)| SubscriptionOptions {
            no_local,
            retain_as_published,
            ..unpack_options(qos | handling << 4, id)
        },
    );
    let ended = prop::option::of(0..9_i64);
    let topic = (1..3_u64).prop_map(|topic| Arc::from(format!("t/{topic}").as_str()));
    let filter = prop_oneof![Just(Arc::from("a/+")), Just(Arc::from("b/#"))];
    let ids = prop::option::of(prop::collection::vec(1..300_u32, 1..3));
    prop_oneof![
        (session.clone(), 0..9_u32, ended).prop_map(|(id, expiry, ended)| StoreOp::Session(SessionRecord {
            id,
            client_id: format!("c{id}").into(),
            principal: principal(),
            expiry,
            ended: ended.map(Timestamp::from_seconds),
        })),
        session.clone().prop_map(StoreOp::SessionGone),
        (session.clone(), filter.clone(), options)
            .prop_map(|(session, filter, options)| StoreOp::Subscription { session, filter, options }),
        (session.clone(), filter).prop_map(|(session, filter)| StoreOp::SubscriptionGone { session, filter }),
        id.clone().prop_map(|id| StoreOp::Message(message(id))),
        id.clone().prop_map(StoreOp::MessageGone),
        (session.clone(), seq.clone(), id.clone(), any::<bool>(), ids).prop_map(
            |(session, seq, message, retain, ids)| StoreOp::Queue {
                session,
                entry: QueueRecord {
                    seq,
                    message: Some(message),
                    qos: QoS::AtLeastOnce,
                    retain,
                    subscription_ids: ids.map(Arc::from),
                },
            }
        ),
        (session.clone(), seq.clone()).prop_map(|(session, seq)| StoreOp::QueueReleased { session, seq }),
        (session.clone(), seq.clone()).prop_map(|(session, seq)| StoreOp::QueueGone { session, seq }),
        (session.clone(), seq).prop_map(|(session, below)| StoreOp::Sent { session, below }),
        (session.clone(), 1..4_u16).prop_map(|(session, packet_id)| StoreOp::Received { session, packet_id }),
        (session, 1..4_u16).prop_map(|(session, packet_id)| StoreOp::ReceivedGone { session, packet_id }),
        (topic.clone(), id).prop_map(|(topic, message)| StoreOp::Retained { topic, message }),
        topic.prop_map(StoreOp::RetainedGone),
        (1..3_u32).prop_map(|delay| StoreOp::Will(Box::new(WillRecord {
            client_id: format!("c{delay}").into(),
            principal: Principal::Anonymous,
            topic: "w".into(),
            payload: Bytes::from_static(b"gone"),
            qos: QoS::AtLeastOnce,
            retain: true,
            delay,
            properties: MessageProperties { payload_format: Some(1), ..MessageProperties::default() },
        }))),
        (1..3_u32).prop_map(|client| StoreOp::WillGone(format!("c{client}").into())),
        Just(StoreOp::Reset),
    ]
}

/// The order of rows in a table without an order says nothing.
fn sorted(mut loaded: Loaded) -> Loaded {
    loaded.retained.sort();
    loaded.wills.sort_by(|one, other| one.client_id.cmp(&other.client_id));
    for session in &mut loaded.sessions {
        session.subscriptions.sort_by(|one, other| one.0.cmp(&other.0));
        session.received.sort_unstable();
    }
    loaded
}

proptest! {
    #[test]
    fn what_is_read_back_is_what_was_done(ops in prop::collection::vec(op(), 0..60)) {
        let conn = memory();
        let mut disk = Disk::default();
        for op in &ops {
            apply_one(&conn, op).unwrap();
            disk.apply(op);
        }
        prop_assert_eq!(sorted(load(&conn).unwrap()), sorted(disk.load()));
    }
}

#[test]
fn principals_survive_whatever_is_in_their_ids() {
    for principal in [
        principal(),
        Principal::Anonymous,
        Principal::Console,
        Principal::ApiKey { id: "::".into(), role: Role::Operator },
        Principal::Person { id: String::new().as_str().into(), role: Role::Owner },
    ] {
        assert_eq!(unpack_principal(&pack_principal(&principal)), Some(principal));
    }
    assert_eq!(unpack_principal("device:unknown-trust:x"), None);
    assert_eq!(unpack_principal("system::retention"), None);
}

#[test]
fn what_refers_to_nothing_is_removed_at_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = sitewarden_store::Config::for_dir(folder.path());
    let store = Store::open(&config, &[MIGRATIONS], sitewarden_store::system_clock()).unwrap();
    let queue = |session, seq, message| StoreOp::Queue {
        session,
        entry: QueueRecord {
            seq,
            message: Some(message),
            qos: QoS::AtLeastOnce,
            retain: false,
            subscription_ids: None,
        },
    };
    let record =
        SessionRecord { id: 1, client_id: "c".into(), principal: principal(), expiry: 9, ended: None };
    let ops = vec![
        StoreOp::Session(record),
        StoreOp::Message(message(1)),
        StoreOp::Message(message(2)),
        queue(1, 0, 1),
        queue(1, 1, 7),
        queue(9, 0, 1),
        StoreOp::Received { session: 9, packet_id: 1 },
        StoreOp::Retained { topic: "t/8".into(), message: 8 },
    ];
    store.write_blocking("test", move |tx| apply(tx, &ops)).unwrap();

    let loaded = load_from(&store).unwrap();

    assert_eq!(loaded.messages, [message(1)]);
    assert_eq!((loaded.sessions.len(), loaded.sessions[0].queue.len(), loaded.retained.len()), (1, 1, 0));
    assert!(loaded.sessions[0].record.ended.is_some(), "connected when the process died: ended now");
}
