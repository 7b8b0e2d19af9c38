//! The CBOR of what messages hold, field by field: arrays, to whose end a newer peer may append.
//!
//! By hand and not derived: on a microcontroller that is a quarter of the code.
//! Invariant: what `write` writes, `read` reads back the same.

use crate::bounded::Text;
use crate::cbor::{Reader, Writer};

use super::{Grant, Hello, ParametersOutcome, ParametersState, Quantity, Reading, Stamp};

impl Stamp {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        to.array(if self.unix_ms.is_some() { 2 } else { 1 });
        to.unsigned(self.uptime_ms);
        if let Some(unix_ms) = self.unix_ms {
            to.unsigned(unix_ms);
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let fields = from.array(1);
        let uptime_ms = from.u64();
        let unix_ms = if fields < 2 || from.null() { None } else { Some(from.u64()) };
        from.skip(fields.saturating_sub(2));
        Self { uptime_ms, unix_ms }
    }
}

impl Reading {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        to.array(4);
        to.unsigned(u64::from(self.sensor));
        to.unsigned(u64::from(self.quantity.0));
        to.signed(self.value);
        self.at.write(to);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let fields = from.array(4);
        let (sensor, quantity, value) = (from.u8(), Quantity(from.u8()), from.i32());
        let at = Stamp::read(from);
        from.skip(fields.saturating_sub(4));
        Self { sensor, quantity, value, at }
    }
}

impl<'b> Hello<'b> {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        to.array(8);
        to.bytes(&self.measurement);
        to.bytes(&self.firmware);
        to.text(self.model.as_str());
        to.unsigned(u64::from(self.boot_counter));
        to.bytes(&self.boot_id);
        to.unsigned(self.uptime_ms);
        to.unsigned(self.parameters);
        to.unsigned(u64::from(self.queued));
    }

    pub(super) fn read(from: &mut Reader<'b>) -> Self {
        let fields = from.array(8);
        let hello = Self {
            measurement: from.exact(),
            firmware: from.exact(),
            model: Text::read(from),
            boot_counter: from.u32(),
            boot_id: from.exact(),
            uptime_ms: from.u64(),
            parameters: from.u64(),
            queued: from.u32(),
        };
        from.skip(fields.saturating_sub(8));
        hello
    }
}

impl ParametersState {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        to.array(2);
        to.unsigned(self.version);
        to.unsigned(self.outcome as u64);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let fields = from.array(2);
        let version = from.u64();
        let outcome = match from.u8() {
            0 => ParametersOutcome::Applied,
            1 => ParametersOutcome::Older,
            2 => ParametersOutcome::NotSigned,
            3 => ParametersOutcome::Invalid,
            4 => ParametersOutcome::NotStored,
            _ => {
                from.fail();
                ParametersOutcome::Invalid
            }
        };
        from.skip(fields.saturating_sub(2));
        Self { version, outcome }
    }
}

impl Grant {
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        to.array(1);
        to.bytes(&self.psk);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let fields = from.array(1);
        let psk = from.exact();
        from.skip(fields.saturating_sub(1));
        Self { psk }
    }
}
