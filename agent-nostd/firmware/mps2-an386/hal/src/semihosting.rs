//! Files of the host by Arm semihosting, as far as the simulated flash and inputs need them.
//!
//! The calls are those of Arm's "Semihosting for AArch32 and AArch64", release 2025Q1, chapter 6. No console, no exit.
//! Invariant: a call that fails gives `None` or `false`; a file is closed when it is dropped.

use core::ffi::CStr;

const SYS_OPEN: u32 = 0x01;
const SYS_CLOSE: u32 = 0x02;
const SYS_WRITE: u32 = 0x05;
const SYS_READ: u32 = 0x06;
const SYS_SEEK: u32 = 0x0a;
const SYS_FLEN: u32 = 0x0c;
const SYS_GET_CMDLINE: u32 = 0x15;

/// How a file is opened (`SYS_OPEN`, table of modes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `rb`
    Read = 1,
    /// `r+b`
    ReadWrite = 3,
    /// `w+b`
    Create = 7,
}

/// A file of the host.
#[derive(Debug)]
pub(crate) struct File(u32);

fn call(operation: u32, block: &[u32]) -> u32 {
    let result: u32;
    // SAFETY: the block lives through the call and holds what the operation reads; buffers that it names are borrowed by
    // the callers below. The host reads and writes nothing else.
    unsafe {
        core::arch::asm!(
            "bkpt 0xab",
            inlateout("r0") operation => result,
            in("r1") block.as_ptr(),
            options(nostack, preserves_flags),
        );
    }
    result
}

fn address<T>(pointer: *const T) -> u32 {
    pointer as usize as u32
}

impl File {
    pub(crate) fn open(name: &CStr, mode: Mode) -> Option<Self> {
        let length = u32::try_from(name.count_bytes()).ok()?;
        let handle = call(SYS_OPEN, &[address(name.as_ptr()), mode as u32, length]);
        (handle != u32::MAX).then_some(Self(handle))
    }

    pub(crate) fn length(&self) -> Option<u32> {
        let length = call(SYS_FLEN, &[self.0]);
        (length != u32::MAX).then_some(length)
    }

    pub(crate) fn seek(&self, position: u32) -> bool {
        call(SYS_SEEK, &[self.0, position]) == 0
    }

    /// Reads all of `bytes`; says whether it did.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> bool {
        self.read_some(bytes) == Some(bytes.len())
    }

    /// Reads up to `bytes.len()` bytes; returns how many.
    pub(crate) fn read_some(&self, bytes: &mut [u8]) -> Option<usize> {
        let left = call(SYS_READ, &[self.0, address(bytes.as_mut_ptr()), bytes.len() as u32]);
        bytes.len().checked_sub(left as usize)
    }

    /// Writes all of `bytes`; says whether it did.
    pub(crate) fn write(&self, bytes: &[u8]) -> bool {
        call(SYS_WRITE, &[self.0, address(bytes.as_ptr()), bytes.len() as u32]) == 0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        call(SYS_CLOSE, &[self.0]);
    }
}

/// Bytes of the whole command line.
pub(crate) const COMMAND_LINE: usize = 256;

/// Word number `index` of the command line (0 is the program), zero-terminated in `buffer`.
pub(crate) fn argument(index: usize, buffer: &mut [u8; COMMAND_LINE]) -> Option<&CStr> {
    let mut block = [address(buffer.as_mut_ptr()), COMMAND_LINE as u32];
    // The host writes the length into the block.
    let block: &mut [u32] = &mut block;
    if call(SYS_GET_CMDLINE, block) != 0 {
        return None;
    }
    let end = buffer.iter().position(|&byte| byte == 0)?;
    for byte in buffer.get_mut(..end)? {
        if *byte == b' ' {
            *byte = 0;
        }
    }
    let mut rest = buffer.get(..=end)?;
    for _ in 0..index {
        let word = rest.iter().position(|&byte| byte == 0)?;
        rest = rest.get(word + 1..)?;
    }
    CStr::from_bytes_until_nul(rest).ok().filter(|word| !word.is_empty())
}
