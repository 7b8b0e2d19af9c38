//! A NOR flash that lives in a file of the host, so that a killed simulator is a power cut.
//!
//! The file's name is word 1 of the command line; a file that is not there is made, erased. Words of four bytes, pages of 4 KiB.
//! Invariant: programming only clears bits, as in real cells; each word and each page goes to the file at once.

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::semihosting::{COMMAND_LINE, File, Mode, argument};

/// Bytes of the flash.
pub const CAPACITY: u32 = 64 * 1024;
/// Bytes of a page.
pub const PAGE: u32 = 4096;
const WORD: usize = 4;

/// The file could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileError;

impl NorFlashError for FileError {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// The flash.
#[derive(Debug)]
pub struct FileFlash(File);

impl FileFlash {
    /// Opens the file, or makes it. `None` if the host was started without one, or it cannot be written.
    #[must_use]
    pub fn open() -> Option<Self> {
        let mut buffer = [0; COMMAND_LINE];
        let name = argument(1, &mut buffer)?;
        if let Some(file) = File::open(name, Mode::ReadWrite)
            && file.length() == Some(CAPACITY)
        {
            return Some(Self(file));
        }
        let flash = Self(File::open(name, Mode::Create)?);
        (0..CAPACITY / PAGE).all(|page| flash.erase_page(page * PAGE)).then_some(flash)
    }

    fn erase_page(&self, at: u32) -> bool {
        const ERASED: [u8; 64] = [0xff; 64];
        self.0.seek(at) && (0..PAGE as usize / ERASED.len()).all(|_| self.0.write(&ERASED))
    }
}

impl ErrorType for FileFlash {
    type Error = FileError;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        if self.0.seek(offset) && self.0.read(bytes) { Ok(()) } else { Err(FileError) }
    }

    fn capacity(&self) -> usize {
        CAPACITY as usize
    }
}

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FileError> {
        let done = (from..to).step_by(PAGE as usize).all(|page| self.erase_page(page));
        if done { Ok(()) } else { Err(FileError) }
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FileError> {
        let mut at = offset;
        for word in bytes.chunks(WORD) {
            let mut cells = [0xff; WORD];
            if !(self.0.seek(at) && self.0.read(&mut cells)) {
                return Err(FileError);
            }
            cells.iter_mut().zip(word).for_each(|(cell, byte)| *cell &= byte);
            if !(self.0.seek(at) && self.0.write(&cells)) {
                return Err(FileError);
            }
            at += WORD as u32;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for FileFlash {}
