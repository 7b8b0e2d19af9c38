//! rumqttd on one loopback port, with the values of its shipped rumqttd.toml. Prints `ready PORT`.
//!
//! A peer of the benchmark and nothing else. The limits are rumqttd's own defaults, not tuned by us.

use std::io::Write as _;

fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: peer-rumqttd PORT");
    let config: rumqttd::Config = serde_json::from_value(serde_json::json!({
        "id": 0,
        "router": {
            "id": 0,
            "max_connections": 10010,
            "max_outgoing_packet_count": 200,
            "max_segment_size": 104_857_600,
            "max_segment_count": 10
        },
        "v4": {
            "1": {
                "name": "v4-1",
                "listen": format!("127.0.0.1:{port}"),
                "next_connection_delay_ms": 1,
                "connections": {
                    "connection_timeout_ms": 60000,
                    "max_payload_size": 20480,
                    "max_inflight_count": 100,
                    "dynamic_filters": true
                }
            }
        }
    }))
    .expect("the configuration is rumqttd's");
    let mut broker = rumqttd::Broker::new(config);
    let mut out = std::io::stdout();
    writeln!(out, "ready {port}").and_then(|()| out.flush()).expect("standard output");
    broker.start().expect("rumqttd runs");
}
