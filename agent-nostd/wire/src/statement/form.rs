//! The CBOR of statements, key by key.
//!
//! By hand and not derived: on a microcontroller that is a quarter of the code. It checks the form, not the ranges.
//! Invariant: what `write` writes, `read` reads back the same; a key that comes twice or a required one that is missing
//! fails the reader, an unknown one is skipped.

use crate::bounded::List;
use crate::cbor::{Keys, Reader, Writer};
use crate::keys::DeviceId;
use crate::message::Quantity;

use super::{Check, Finding, FindingKind, FindingState, Parameters, Rule, Time};

impl FindingKind {
    fn read(from: &mut Reader<'_>) -> Self {
        match from.u8() {
            1 => Self::Above,
            2 => Self::Below,
            3 => Self::Missing,
            4 => Self::Tamper,
            5 => Self::Lost,
            _ => {
                from.fail();
                Self::Lost
            }
        }
    }
}

impl FindingState {
    fn read(from: &mut Reader<'_>) -> Self {
        match from.u8() {
            1 => Self::Raised,
            2 => Self::Cleared,
            _ => {
                from.fail();
                Self::Cleared
            }
        }
    }
}

impl Check {
    /// `[variant, [fields]]`.
    fn write(&self, to: &mut Writer<'_>) {
        let (variant, limits) = match *self {
            Self::Above { limit, clear } => (1, Some((limit, clear))),
            Self::Below { limit, clear } => (2, Some((limit, clear))),
            Self::Missing => (3, None),
        };
        to.array(2);
        to.unsigned(variant);
        to.array(if limits.is_some() { 2 } else { 0 });
        if let Some((limit, clear)) = limits {
            to.signed(limit);
            to.signed(clear);
        }
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let length = from.array(2);
        let variant = from.u8();
        let fields = from.array(if variant == 3 { 0 } else { 2 });
        if length != 2 || !(1..=3).contains(&variant) {
            from.fail();
        }
        if variant == 3 {
            from.skip(fields);
            return Self::Missing;
        }
        let (limit, clear) = (from.i32(), from.i32());
        from.skip(fields.saturating_sub(2));
        if variant == 1 { Self::Above { limit, clear } } else { Self::Below { limit, clear } }
    }
}

impl Rule {
    fn write(&self, to: &mut Writer<'_>) {
        to.array(4);
        to.unsigned(u64::from(self.id));
        to.unsigned(u64::from(self.sensor));
        self.check.write(to);
        to.unsigned(u64::from(self.hold_ms));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let fields = from.array(4);
        let (id, sensor) = (from.u16(), from.u8());
        let (check, hold_ms) = (Check::read(from), from.u32());
        from.skip(fields.saturating_sub(4));
        Self { id, sensor, check, hold_ms }
    }
}

/// The form of a statement: a map from small integers.
pub(super) trait Form: Sized {
    fn write(&self, to: &mut Writer<'_>);
    fn read(from: &mut Reader<'_>) -> Self;
}

impl Form for Parameters {
    fn write(&self, to: &mut Writer<'_>) {
        to.map(4);
        to.field(0, Some(self.version));
        to.bytes_field(1, self.device.as_bytes());
        to.unsigned(2);
        to.array(self.rules.len() as u64);
        self.rules.iter().for_each(|rule| rule.write(to));
        to.field(3, Some(u64::from(self.report_ms)));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let device = DeviceId::from_bytes([0; 8]);
        let mut parameters = Self { version: 0, device, rules: List::default(), report_ms: 0 };
        let mut keys = Keys::of(from);
        while let Some(key) = keys.next(from) {
            match key {
                0 => parameters.version = from.u64(),
                1 => parameters.device = DeviceId::from_bytes(from.exact()),
                2 => parameters.rules = List::read(from, Rule::read),
                3 => parameters.report_ms = from.u32(),
                _ => from.skip(1),
            }
        }
        keys.require(from, 0b1111);
        parameters
    }
}

impl Form for Time {
    fn write(&self, to: &mut Writer<'_>) {
        to.map(3);
        to.bytes_field(0, self.device.as_bytes());
        to.bytes_field(1, &self.boot_id);
        to.field(2, Some(self.unix_ms));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let mut time = Self { device: DeviceId::from_bytes([0; 8]), boot_id: [0; 8], unix_ms: 0 };
        let mut keys = Keys::of(from);
        while let Some(key) = keys.next(from) {
            match key {
                0 => time.device = DeviceId::from_bytes(from.exact()),
                1 => time.boot_id = from.exact(),
                2 => time.unix_ms = from.u64(),
                _ => from.skip(1),
            }
        }
        keys.require(from, 0b111);
        time
    }
}

impl Form for Finding {
    fn write(&self, to: &mut Writer<'_>) {
        let optional = [
            self.unix_ms.is_some(),
            self.sensor.is_some(),
            self.quantity.is_some(),
            self.value.is_some(),
            self.limit.is_some(),
            self.lost.is_some(),
        ];
        to.map(9 + optional.into_iter().filter(|there| *there).count() as u64);
        to.bytes_field(0, self.device.as_bytes());
        to.field(1, Some(self.sequence));
        to.bytes_field(2, &self.boot_id);
        to.field(3, Some(u64::from(self.boot_counter)));
        to.field(4, Some(self.uptime_ms));
        to.field(5, self.unix_ms);
        to.field(6, Some(u64::from(self.rule)));
        to.field(7, Some(self.kind as u64));
        to.field(8, Some(self.state as u64));
        to.field(9, self.sensor.map(u64::from));
        to.field(10, self.quantity.map(|quantity| u64::from(quantity.0)));
        to.signed_field(11, self.value);
        to.signed_field(12, self.limit);
        to.field(13, Some(self.parameters));
        to.field(14, self.lost.map(u64::from));
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let mut finding = Self {
            device: DeviceId::from_bytes([0; 8]),
            sequence: 0,
            boot_id: [0; 8],
            boot_counter: 0,
            uptime_ms: 0,
            unix_ms: None,
            rule: 0,
            kind: FindingKind::Lost,
            state: FindingState::Cleared,
            sensor: None,
            quantity: None,
            value: None,
            limit: None,
            parameters: 0,
            lost: None,
        };
        let mut keys = Keys::of(from);
        while let Some(key) = keys.next(from) {
            match key {
                0 => finding.device = DeviceId::from_bytes(from.exact()),
                1 => finding.sequence = from.u64(),
                2 => finding.boot_id = from.exact(),
                3 => finding.boot_counter = from.u32(),
                4 => finding.uptime_ms = from.u64(),
                6 => finding.rule = from.u16(),
                7 => finding.kind = FindingKind::read(from),
                8 => finding.state = FindingState::read(from),
                13 => finding.parameters = from.u64(),
                5 | 9..=12 | 14 if from.null() => {}
                5 => finding.unix_ms = Some(from.u64()),
                9 => finding.sensor = Some(from.u8()),
                10 => finding.quantity = Some(Quantity(from.u8())),
                11 => finding.value = Some(from.i32()),
                12 => finding.limit = Some(from.i32()),
                14 => finding.lost = Some(from.u32()),
                _ => from.skip(1),
            }
        }
        // All but the optional 5, 9 to 12 and 14.
        keys.require(from, 0b10_0001_1101_1111);
        finding
    }
}
