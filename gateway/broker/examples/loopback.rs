//! The broker by itself, to try and measure it: anonymous clients may do everything, and a committer
//! that answers at once stands in for the pipeline.
//!
//! Not the product: nothing is stored, so an acknowledgement promises nothing here.
//! `cargo run --release --example loopback --features listener -- 127.0.0.1:1883`

use std::sync::Arc;

use sitewarden_broker::shell::{ListenerConfig, Transport};
use sitewarden_broker::{
    Admission, Admitted, BoxFuture, Committed, Config, ConnectRequest, Deps, Grants, Refused, build,
};
use sitewarden_core::gate::{PolicyEpoch, Principal};
use tokio::sync::{mpsc, watch};

struct Everybody;

impl Admission for Everybody {
    fn admit(&self, _: ConnectRequest) -> BoxFuture<'_, Result<Admitted, Refused>> {
        Box::pin(async { Ok(Admitted { principal: Principal::Anonymous, grants: Grants::everything() }) })
    }

    fn grants(&self, _: &Principal, _: &str) -> Grants {
        Grants::everything()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let (inlet, mut batches) = mpsc::channel(64);
    let (answers, committed) = mpsc::channel(64);
    let (_epoch, epoch) = watch::channel(PolicyEpoch(1));
    let listener = ListenerConfig { name: "loopback".to_owned(), address, transport: Transport::Plain };
    let config = Config { listeners: vec![listener], ..Config::default() };
    let deps = Deps { store: None, admission: Arc::new(Everybody), epoch, inlet, committed, tls: None };
    let broker = build(config, deps)?.spawn();
    std::fs::write("/dev/stderr", format!("MQTT on {:?}\n", broker.addresses()))?;
    while let Some(batch) = batches.recv().await {
        if answers.send(Committed { id: batch.id, ok: true }).await.is_err() {
            break;
        }
    }
    Ok(())
}
