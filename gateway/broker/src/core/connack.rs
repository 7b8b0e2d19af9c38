//! CONNACK in the size that the client takes.
//!
//! Not the decision. Invariants: what tells the client of a rule that it would otherwise break or of a value that it
//! needs is never left out; what may be left out goes in the order of its use to the client (MQTT 5 §3.2.2.3).

use crate::limits::Limits;
use crate::wire::{self, Connack, ConnackProperties, Connect, ReasonCode, Version};

/// What a client is told when it is let in, and the keep-alive that holds then.
pub(super) struct Welcome {
    pub(super) properties: ConnackProperties,
    pub(super) keep_alive: u16,
}

/// Everything that the client should know. `expiry` is the session's, in seconds.
pub(super) fn welcome(limits: &Limits, connect: &Connect, assigned: bool, expiry: u32) -> Welcome {
    let mut properties = ConnackProperties::default();
    let mut keep_alive = connect.keep_alive;
    if connect.version == Version::V5 {
        if keep_alive == 0 || keep_alive > limits.keep_alive_seconds {
            keep_alive = limits.keep_alive_seconds;
            properties.server_keep_alive = Some(keep_alive);
        }
        let asked = connect.properties.session_expiry.unwrap_or(0);
        properties.session_expiry = (asked != expiry).then_some(expiry);
        properties.receive_maximum = Some(limits.inflight_in);
        properties.maximum_packet_size = Some(limits.packet_bytes);
        properties.topic_alias_maximum = Some(limits.topic_aliases);
        properties.shared_subscription_available = Some(false);
        properties.assigned_client_id = assigned.then(|| connect.client_id.clone());
    }
    Welcome { properties, keep_alive }
}

fn length(properties: &ConnackProperties, version: Version) -> usize {
    let code = ReasonCode::SUCCESS;
    let mut out = Vec::new();
    let connack = Connack { session_present: false, code, properties: properties.clone() };
    wire::encode_connack(&mut out, &connack, version);
    out.len()
}

/// Leaves out what the client can do without, until the packet is within its bound. False when even the rest is
/// too large.
pub(super) fn fit(properties: &mut ConnackProperties, version: Version, most: Option<u32>) -> bool {
    let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let drops: [fn(&mut ConnackProperties); 6] = [
        |properties| properties.reason = None,
        |properties| properties.user.clear(),
        |properties| properties.response_information = None,
        // Its SUBACK says it as well.
        |properties| properties.shared_subscription_available = None,
        // Absent means none: it will not use any.
        |properties| properties.topic_alias_maximum = None,
        // A client with so little room sends nothing so large, and is told when it does.
        |properties| properties.maximum_packet_size = None,
    ];
    let mut drops = drops.into_iter();
    while length(properties, version) > most {
        let Some(drop) = drops.next() else { return false };
        drop(properties);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_needs_stays_and_the_rest_goes_in_turn() {
        let limits = Limits { session_expiry_seconds: 60, ..Limits::default() };
        let mut connect = crate::core::tests::harness::connect("made-by-the-broker", Version::V5);
        connect.properties.session_expiry = Some(3_600);
        let full = welcome(&limits, &connect, true, 60).properties;
        let whole = length(&full, Version::V5);
        let mut kept = Vec::new();
        for most in (1..=whole).rev() {
            let mut properties = ConnackProperties { reason: Some("text".into()), ..full.clone() };
            let fits = fit(&mut properties, Version::V5, u32::try_from(most).ok());
            assert!(!fits || length(&properties, Version::V5) <= most);
            assert_eq!(
                (properties.session_expiry, properties.receive_maximum, properties.server_keep_alive),
                (full.session_expiry, full.receive_maximum, full.server_keep_alive)
            );
            assert_eq!(properties.assigned_client_id, full.assigned_client_id);
            let left = [
                properties.shared_subscription_available.is_some(),
                properties.topic_alias_maximum.is_some(),
                properties.maximum_packet_size.is_some(),
                fits,
            ];
            kept.push(left.iter().filter(|left| **left).count());
        }
        kept.dedup();
        assert_eq!(kept, [4, 3, 2, 1, 0]);
        let three = welcome(&limits, &crate::core::tests::harness::connect("three", Version::V3), false, 0);
        assert_eq!(length(&three.properties, Version::V3), 4);
    }
}
