//! Acknowledged means on disk: seen by the order of system calls, and by killing the gateway under load.
//!
//! `kill -9` alone would prove nothing about the disk, because the page cache outlives the process; so the
//! first story looks for the sync itself (R0), the second for what a crash at any instant leaves (R1).

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::support::gateway::{Gateway, Site};
use crate::support::mqtt::{Client, Out, Said};
use crate::support::need::program;
use crate::support::process::{Running, run};
use crate::support::trace::Trace;
use crate::support::wait::wait_for;

#[tokio::test]
async fn no_acknowledgement_leaves_before_a_sync_that_began_after_its_packet_was_read() {
    let Some(strace) = program("strace") else { return };
    let site = Site::lab("");
    let gateway = site.start().await;
    let file = site.folder().join("trace");
    let mut command = Command::new(strace);
    command.args([
        "-f",
        "-xx",
        "-s",
        "4096",
        "-e",
        "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync",
    ]);
    let mut tracer = Running::start(command.arg("-o").arg(&file).args(["-p", &gateway.id().to_string()]));
    wait_for("strace to attach", || {
        let said = tracer.stderr.text();
        async move { if said.contains("attached") { Ok(()) } else { Err(said) } }
    })
    .await;

    let mut client = Client::connect(gateway.mqtt(), "traced", true).await.expect("accepted");
    for id in 1..=20 {
        let qos = if id % 2 == 0 { 2 } else { 1 };
        let payload = format!("{{\"marker\": \"packet-{id:04}-\"}}");
        client.publish("json/traced", &payload, Out { qos, id, again: false }).await.expect("sent");
        if qos == 1 {
            assert_eq!(client.next().await, Ok(Said::PubAck(id)));
            continue;
        }
        assert_eq!(client.next().await, Ok(Said::PubRec(id)));
        client.release(id).await.expect("sent");
        assert_eq!(client.next().await, Ok(Said::PubComp(id)));
    }
    gateway.stop().await;
    tracer.ended().await;

    let trace = Trace::parse(&std::fs::read_to_string(&file).expect("strace wrote it"));
    for id in 1_u16..=20 {
        let [high, low] = id.to_be_bytes();
        let packet = format!("packet-{id:04}-").into_bytes();
        let first: &[u8] = if id % 2 == 0 { &[0x50, 2, high, low] } else { &[0x40, 2, high, low] };
        trace.synced_between(&packet, first).unwrap_or_else(|why| panic!("packet {id}: {why}"));
        if id % 2 == 0 {
            let (release, complete) = ([0x62, 2, high, low], [0x70, 2, high, low]);
            trace.synced_between(&release, &complete).unwrap_or_else(|why| panic!("release {id}: {why}"));
        }
    }
}

/// Kills in `make test`; `make test-deep PART=kills` sets more.
fn kills() -> u32 {
    std::env::var("SITEWARDEN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// Messages sent and not acknowledged at once.
const WINDOW: usize = 8;

/// One device's load: every message has a number, and is sent until it is acknowledged.
struct Load {
    name: &'static str,
    qos: u8,
    next: u32,
    /// Packet id -> number, and whether the broker has taken it over (PUBREC).
    waiting: BTreeMap<u16, (u32, bool)>,
    acknowledged: Vec<u32>,
}

impl Load {
    fn new(name: &'static str, qos: u8) -> Self {
        Self { name, qos, next: 1, waiting: BTreeMap::new(), acknowledged: Vec::new() }
    }

    /// Publishes until so many messages are acknowledged in total, or the connection breaks.
    async fn until(&mut self, gateway: &Gateway, total: usize) -> Result<(), String> {
        let mut client = Client::connect(gateway.mqtt(), self.name, false).await?;
        for (id, (number, taken)) in self.waiting.clone() {
            if taken {
                client.release(id).await?;
            } else {
                self.send(&mut client, id, number, true).await?;
            }
        }
        while self.acknowledged.len() < total || !self.waiting.is_empty() {
            while self.waiting.len() < WINDOW && self.acknowledged.len() + self.waiting.len() < total {
                let (id, number) = (u16::try_from(self.next % 60_000 + 1).expect("a packet id"), self.next);
                self.next += 1;
                self.waiting.insert(id, (number, false));
                self.send(&mut client, id, number, false).await?;
            }
            match client.next().await? {
                Said::PubAck(id) | Said::PubComp(id) => {
                    let known = self.waiting.remove(&id);
                    self.acknowledged.extend(known.map(|(number, _)| number));
                }
                Said::PubRec(id) => {
                    if let Some((_, taken)) = self.waiting.get_mut(&id) {
                        *taken = true;
                    }
                    client.release(id).await?;
                }
                other => return Err(format!("{other:?}")),
            }
        }
        Ok(())
    }

    async fn send(&self, client: &mut Client, id: u16, number: u32, again: bool) -> Result<(), String> {
        // Implausible on purpose: each message counts in the device's finding.
        let payload = format!("{{\"temperature\": 900, \"number\": {number}}}");
        client.publish(&format!("json/{}", self.name), &payload, Out { qos: self.qos, id, again }).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_nothing_acknowledged_is_lost_and_qos_2_is_exactly_once() {
    let site = Site::lab("");
    let (mut once, mut exactly) = (Load::new("load-1", 1), Load::new("load-2", 2));
    let mut random = 0x5eed_u32;
    for _ in 0..kills() {
        let gateway = site.start().await;
        // The kill comes after a seeded number of further acknowledgements, with a window of messages under way.
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (first, second) = (once.acknowledged.len(), exactly.acknowledged.len());
        let enough = usize::try_from(random >> 27).expect("small") + 1;
        tokio::select! {
            broken = once.until(&gateway, usize::MAX) => panic!("{broken:?}: {}", gateway.log()),
            broken = exactly.until(&gateway, second + enough) => broken.expect("the gateway lives"),
        }
        assert!(once.acknowledged.len() >= first);
        gateway.kill();
    }
    let gateway = site.start().await;
    let (first, second) = (once.acknowledged.len() + WINDOW, exactly.acknowledged.len() + WINDOW);
    once.until(&gateway, first).await.expect("the gateway lives");
    exactly.until(&gateway, second).await.expect("the gateway lives");

    let api = site.api(&gateway, "viewer").await;
    let (numbers_1, numbers_2) = (numbers(&api, "load-1").await, numbers(&api, "load-2").await);
    let findings = api.list("/api/v1/findings").await;
    gateway.stop().await;
    run(&mut site.command(&["verify"]), b"").await.success();

    let lost: Vec<_> = once.acknowledged.iter().filter(|number| !numbers_1.contains_key(number)).collect();
    assert_eq!(lost, Vec::<&u32>::new(), "acknowledged with QoS 1 and lost");
    let wrong: Vec<_> =
        exactly.acknowledged.iter().filter(|number| numbers_2.get(number) != Some(&1)).collect();
    assert_eq!(wrong, Vec::<&u32>::new(), "QoS 2 and not exactly once");
    let of = |asset: &str| {
        let about =
            |finding: &&Value| finding["asset"] == asset && finding["title"] == "Implausible sensor reading";
        findings.iter().filter(about).collect::<Vec<_>>()
    };
    let [finding] = of("load-2")[..] else { panic!("one finding per device: {findings:?}") };
    assert_eq!(finding["count"].as_u64(), u64::try_from(exactly.acknowledged.len()).ok(), "{finding}");
    assert_eq!(of("load-1").len(), 1, "{findings:?}");
}

/// How often each number is among the device's readings.
async fn numbers(api: &crate::support::http::Api, device: &str) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    for reading in api.list(&format!("/api/v1/devices/{device}/readings?metric=number")).await {
        let number = reading["value"].as_f64().or_else(|| Value::as_str(&reading["value"])?.parse().ok());
        let number = number.unwrap_or_else(|| panic!("{reading}"));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]
        let number = number as u32;
        *counts.entry(number).or_default() += 1;
    }
    counts
}
