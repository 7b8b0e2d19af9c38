//! Deterministic numbers for what the tests generate, from a seed.
//!
//! Not for anything that must be unpredictable. Invariant: the same seed gives the same numbers on every machine.

/// Deterministic numbers (xorshift64*).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.roll(from.len());
        from[at].clone()
    }
}
