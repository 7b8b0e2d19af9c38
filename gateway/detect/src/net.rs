//! Address ranges (CIDR) for both families.
//!
//! Not name resolution and not routing. An address range holds addresses of its own family, and the IPv4 form
//! of mapped IPv6 addresses is not looked through. Invariant: bits beyond the prefix never matter.
#![deny(clippy::indexing_slicing)]

use std::net::IpAddr;

/// A range such as `10.0.0.0/8` or `fe80::/10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Net {
    /// The range's bits, those beyond the prefix zero, in the low end of the number.
    pub(crate) bits: u128,
    /// How many bits count, from the top of the family's width.
    pub(crate) prefix: u8,
    /// IPv6 or IPv4.
    pub(crate) v6: bool,
}

impl Net {
    /// Reads a range; a bare address is a range of one. `None` when it is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let (bits, v6) = bits(address)?;
        let width = if v6 { 128 } else { 32 };
        let prefix = prefix.unwrap_or(width);
        (prefix <= width).then(|| Self { bits: bits & mask(prefix, width), prefix, v6 })
    }

    pub(crate) fn holds(&self, address: &str) -> bool {
        bits(address).is_some_and(|(bits, v6)| self.holds_bits(bits, v6))
    }

    pub(crate) fn holds_bits(&self, bits: u128, v6: bool) -> bool {
        v6 == self.v6 && bits & mask(self.prefix, if v6 { 128 } else { 32 }) == self.bits
    }
}

/// The address as a number, and whether it is IPv6.
pub(crate) fn bits(address: &str) -> Option<(u128, bool)> {
    match address.parse().ok()? {
        IpAddr::V4(v4) => Some((u128::from(v4.to_bits()), false)),
        IpAddr::V6(v6) => Some((v6.to_bits(), true)),
    }
}

fn mask(prefix: u8, width: u8) -> u128 {
    let free = u32::from(width.saturating_sub(prefix));
    u128::MAX.checked_shl(free).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_own_family_only() {
        let net = Net::parse("10.1.0.0/16").unwrap();
        assert!(net.holds("10.1.255.3") && !net.holds("10.2.0.1") && !net.holds("::ffff:10.1.0.1"));
        let net = Net::parse("fe80::/10").unwrap();
        assert!(net.holds("febf::1") && !net.holds("fec0::1") && !net.holds("10.0.0.1"));
        assert!(Net::parse("0.0.0.0/0").unwrap().holds("1.2.3.4"));
        assert!(Net::parse("::/0").unwrap().holds("::1"));
    }

    #[test]
    fn not_a_range() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "x/8", "::/129", "10.0.0.0/-1"] {
            assert_eq!(Net::parse(text), None, "{text}");
        }
    }
}
