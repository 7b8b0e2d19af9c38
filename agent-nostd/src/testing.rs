//! A NOR flash in memory whose power can be cut at any word, for tests.
//!
//! Words of four bytes, pages of 1 KiB (the smaller the page, the more of the storage's cases a short run meets). A cut leaves
//! the word half programmed, or the page half erased, and every later access fails until the power is back.
//! Invariant: programming only clears bits, as in real cells.

extern crate std;

use std::vec::Vec;

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Bytes of a word.
pub(crate) const WORD: usize = 4;
/// Bytes of a page.
pub(crate) const PAGE: usize = 1024;

/// The power is gone, or the access was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPower;

impl NorFlashError for NoPower {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// The flash.
#[derive(Debug, Clone)]
pub(crate) struct Flash {
    cells: Vec<u8>,
    /// Words and pages that may still be changed; `None` for as many as you like.
    pub(crate) left: Option<usize>,
    /// Words and pages that were changed.
    pub(crate) changed: usize,
    dead: bool,
}

impl Flash {
    pub(crate) fn new(pages: usize) -> Self {
        Self { cells: std::vec![0xff; pages * PAGE], left: None, changed: 0, dead: false }
    }

    /// The same cells, with power for good.
    pub(crate) fn repowered(mut self) -> Self {
        (self.left, self.dead) = (None, false);
        self
    }

    /// Takes one change from the budget; says whether it may be whole.
    fn spend(&mut self) -> bool {
        self.changed += 1;
        match &mut self.left {
            None => true,
            Some(0) => {
                self.dead = true;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

impl ErrorType for Flash {
    type Error = NoPower;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NoPower> {
        if self.dead {
            return Err(NoPower);
        }
        bytes.copy_from_slice(&self.cells[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NoPower> {
        assert!((from as usize).is_multiple_of(PAGE) && (to as usize).is_multiple_of(PAGE));
        for page in (from as usize..to as usize).step_by(PAGE) {
            if self.dead {
                return Err(NoPower);
            }
            let whole = self.spend();
            let end = if whole { page + PAGE } else { page + PAGE / 2 };
            self.cells[page..end].fill(0xff);
            if !whole {
                return Err(NoPower);
            }
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
        assert!((offset as usize).is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        for (at, word) in (offset as usize..).step_by(WORD).zip(bytes.chunks(WORD)) {
            if self.dead {
                return Err(NoPower);
            }
            let whole = self.spend();
            let programmed = if whole { WORD } else { WORD / 2 };
            for (cell, byte) in self.cells[at..].iter_mut().zip(&word[..programmed]) {
                *cell &= byte;
            }
            if !whole {
                return Err(NoPower);
            }
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}
