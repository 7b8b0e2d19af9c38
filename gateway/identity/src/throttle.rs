//! How often somebody may be wrong: token buckets per address and login, per address, per login, and for the set-up code.
//!
//! No clock inside: `now` goes in. A try is charged before it is checked and given back when it was right, so that tries in
//! parallel count. Invariants: memory is bounded; an address that signed in with a login before is not locked
//! out of it by others.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sitewarden_core::Monotonic;

use crate::limits::{
    ADDRESS_BURST, ADDRESS_REFILL, KNOWN_PAIRS, LOGIN_BURST, LOGIN_REFILL, PAIR_BURST, PAIR_REFILL,
    SETUP_BURST, SETUP_REFILL, THROTTLED,
};

/// An address as far as one sender commands it: IPv6 senders have a whole /64.
type Place = u128;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Pair(Place, String),
    Address(Place),
    Login(String),
    Setup,
    /// Shared by all that came when the table was full.
    Overflow,
}

impl Key {
    const fn budget(&self) -> (u32, Duration) {
        match self {
            Self::Pair(..) => (PAIR_BURST, PAIR_REFILL),
            Self::Address(_) | Self::Overflow => (ADDRESS_BURST, ADDRESS_REFILL),
            Self::Login(_) => (LOGIN_BURST, LOGIN_REFILL),
            Self::Setup => (SETUP_BURST, SETUP_REFILL),
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// When each bucket is full again.
    full_at: HashMap<Key, Monotonic>,
    known: HashSet<(Place, String)>,
}

/// The buckets.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Inner>);

/// A charged try; to be given back when it was right.
#[derive(Debug)]
pub(crate) struct Charge(Vec<Key>);

impl Throttle {
    /// Charges a log-in. When one of its buckets is empty: how long to wait, and nothing is charged.
    pub(crate) fn login(&self, address: IpAddr, login: &str, now: Monotonic) -> Result<Charge, Duration> {
        let place = place(address);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = vec![Key::Pair(place, login.to_owned())];
        if !inner.known.contains(&(place, login.to_owned())) {
            keys.extend([Key::Address(place), Key::Login(login.to_owned())]);
        }
        inner.charge(keys, now)
    }

    /// Charges a try of the set-up code.
    pub(crate) fn setup(&self, address: IpAddr, now: Monotonic) -> Result<Charge, Duration> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.charge(vec![Key::Address(place(address)), Key::Setup], now)
    }

    /// Charges an API key that is none.
    pub(crate) fn key(&self, address: IpAddr, now: Monotonic) -> Result<(), Duration> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.charge(vec![Key::Address(place(address))], now).map(|_| ())
    }

    /// Gives a charge back: the try was right, or was never checked.
    pub(crate) fn give_back(&self, charge: Charge) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in charge.0 {
            let (_, refill) = key.budget();
            if let Some(full_at) = inner.full_at.get_mut(&key) {
                let micros = u64::try_from(refill.as_micros()).unwrap_or(u64::MAX);
                *full_at = Monotonic::from_micros(full_at.micros().saturating_sub(micros));
            }
        }
    }

    /// Remembers that somebody signed in from there.
    pub(crate) fn signed_in(&self, address: IpAddr, login: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.known.len() >= KNOWN_PAIRS {
            inner.known.clear();
        }
        inner.known.insert((place(address), login.to_owned()));
    }
}

impl Inner {
    fn charge(&mut self, keys: Vec<Key>, now: Monotonic) -> Result<Charge, Duration> {
        if self.full_at.len() + keys.len() > THROTTLED {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        let has_room = self.full_at.len() + keys.len() <= THROTTLED;
        let keys: Vec<Key> = if has_room || keys.iter().all(|key| self.full_at.contains_key(key)) {
            keys
        } else {
            vec![Key::Overflow]
        };
        let after: Vec<Monotonic> = keys
            .iter()
            .map(|key| self.full_at.get(key).copied().unwrap_or(now).max(now).after(key.budget().1))
            .collect();
        let wait = keys
            .iter()
            .zip(&after)
            .map(|(key, full_at)| {
                let (burst, refill) = key.budget();
                full_at.since(now).saturating_sub(refill * burst)
            })
            .max()
            .unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        for (key, full_at) in keys.iter().zip(after) {
            self.full_at.insert(key.clone(), full_at);
        }
        Ok(Charge(keys))
    }
}

fn place(address: IpAddr) -> Place {
    match address.to_canonical() {
        // IPv4 stands below all IPv6 networks that exist.
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_micros(seconds * 1_000_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn five_wrong_tries_then_one_each_half_minute_and_the_wait_is_told() {
        let throttle = Throttle::default();
        for _ in 0..PAIR_BURST {
            throttle.login(ip("192.0.2.1"), "elin", at(0)).expect("free");
        }
        let wait = throttle.login(ip("192.0.2.1"), "elin", at(0)).expect_err("too many");
        assert_eq!(wait, PAIR_REFILL);
        throttle.login(ip("192.0.2.1"), "elin", at(29)).expect_err("still");
        throttle.login(ip("192.0.2.1"), "elin", at(30)).expect("one more");
        throttle.login(ip("192.0.2.1"), "elin", at(30)).expect_err("no second one");
        throttle.login(ip("192.0.2.1"), "jonas", at(30)).expect("another person");
        throttle.login(ip("192.0.2.2"), "elin", at(30)).expect("another place");
    }

    #[test]
    fn right_tries_cost_nothing() {
        let throttle = Throttle::default();
        for _ in 0..1_000 {
            let charge = throttle.login(ip("192.0.2.1"), "elin", at(5)).expect("free");
            throttle.give_back(charge);
        }
    }

    #[test]
    fn one_address_cannot_try_many_logins_and_a_v6_network_is_one_address() {
        let throttle = Throttle::default();
        let tries = |prefix: &str| {
            (0..100)
                .filter(|n| throttle.login(ip(&format!("{prefix}{n}")), &format!("user{n}"), at(0)).is_ok())
                .count()
        };
        assert_eq!(tries("2001:db8::"), ADDRESS_BURST as usize);
        assert_eq!(tries("2001:db8:0:1::"), ADDRESS_BURST as usize);
    }

    #[test]
    fn a_botnet_does_not_lock_the_owner_out_of_the_usual_place() {
        let throttle = Throttle::default();
        throttle.signed_in(ip("192.0.2.1"), "elin");
        let passed = (0..200_u32)
            .filter(|n| throttle.login(IpAddr::from(n.to_be_bytes()), "elin", at(0)).is_ok())
            .count();
        assert_eq!(passed, LOGIN_BURST as usize);
        throttle.login(ip("192.0.2.1"), "elin", at(0)).expect("the owner's desk");
    }

    #[test]
    fn memory_is_bounded_and_newcomers_share_one_budget_when_it_is_full() {
        let throttle = Throttle::default();
        let passed = (0..20_000_u32)
            .filter(|n| throttle.login(IpAddr::from(n.to_be_bytes()), &format!("u{n}"), at(0)).is_ok())
            .count();
        assert!(throttle.0.lock().expect("no panic").full_at.len() <= THROTTLED);
        assert!(passed <= THROTTLED / 3 + ADDRESS_BURST as usize, "{passed}");
        throttle.login(ip("192.0.2.9"), "late", at(3_600)).expect("old ones are forgotten");
    }

    #[test]
    fn the_setup_code_has_one_budget_for_the_whole_world() {
        let throttle = Throttle::default();
        let passed =
            (0..100_u32).filter(|n| throttle.setup(IpAddr::from(n.to_be_bytes()), at(0)).is_ok()).count();
        assert_eq!(passed, SETUP_BURST as usize);
    }
}
