//! The CMSDK APB UART (Arm DDI 0479, section 4.3).
//!
//! The link receives by interrupt into a ring, because a signature takes longer than a byte on the line; the console only
//! sends. A byte that finds the ring full is dropped: the frame's CRC notices.
//! Invariant: the interrupt is the ring's only writer, [`LinkUart::read`] its only reader.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use cortex_m_rt::exception;

use crate::register::Register;

const UART0: usize = 0x4000_4000;
const UART1: usize = 0x4000_5000;
const UART0_RX_INTERRUPT: i16 = 0;
/// Cortex-M4 interrupt set-enable register (Armv7-M B3.4.4).
const NVIC_ISER0: Register = Register::at(0xe000_e100);

const STATE_TX_FULL: u32 = 1;
const STATE_RX_FULL: u32 = 1 << 1;
const CTRL_TX: u32 = 1;
const CTRL_RX: u32 = 1 << 1;
const CTRL_RX_INTERRUPT: u32 = 1 << 3;
const INTERRUPT_RX: u32 = 1 << 1;
/// 25 MHz / 115,200 baud.
const DIVIDER_115200: u32 = 217;

/// Bytes that arrive while the agent computes. The gateway says at most time, parameters and an acknowledgement at once.
const RING: usize = 768;

static BYTES: [AtomicU8; RING] = [const { AtomicU8::new(0) }; RING];
static HEAD: AtomicUsize = AtomicUsize::new(0);
static TAIL: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Uart {
    data: Register,
    state: Register,
    control: Register,
    interrupt: Register,
    divider: Register,
}

impl Uart {
    const fn at(base: usize) -> Self {
        Self {
            data: Register::at(base),
            state: Register::at(base + 0x04),
            control: Register::at(base + 0x08),
            interrupt: Register::at(base + 0x0c),
            divider: Register::at(base + 0x10),
        }
    }

    fn try_write(&self, byte: u8) -> bool {
        if self.state.read() & STATE_TX_FULL != 0 {
            return false;
        }
        self.data.write(u32::from(byte));
        true
    }
}

/// UART 0 at 115,200 baud, 8N1.
#[derive(Debug)]
pub struct LinkUart(Uart);

impl LinkUart {
    pub(crate) fn new() -> Self {
        let uart = Uart::at(UART0);
        uart.divider.write(DIVIDER_115200);
        uart.control.write(CTRL_TX | CTRL_RX | CTRL_RX_INTERRUPT);
        NVIC_ISER0.write(1 << UART0_RX_INTERRUPT);
        Self(uart)
    }

    /// Moves the bytes that arrived into `out`; returns how many.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let mut tail = TAIL.load(Ordering::Relaxed);
        let head = HEAD.load(Ordering::Acquire);
        let mut count = 0;
        for slot in out {
            if tail == head {
                break;
            }
            if let Some(byte) = BYTES.get(tail) {
                *slot = byte.load(Ordering::Relaxed);
            }
            tail = (tail + 1) % RING;
            count += 1;
        }
        TAIL.store(tail, Ordering::Release);
        count
    }

    /// Sends what the transmitter takes of `bytes` now; returns how many.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        bytes.iter().take_while(|byte| self.0.try_write(**byte)).count()
    }
}

/// UART 1 at 115,200 baud, 8N1, sending only.
#[derive(Debug)]
pub struct Console(Uart);

impl Console {
    pub(crate) fn new() -> Self {
        let uart = Uart::at(UART1);
        uart.divider.write(DIVIDER_115200);
        uart.control.write(CTRL_TX);
        Self(uart)
    }
}

impl Console {
    /// Writes `text`; waits for the transmitter.
    pub fn text(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.byte(byte));
    }

    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        while !self.0.try_write(byte) {}
    }

    /// Writes a character of ASCII; another one is shown as a question mark.
    pub fn character(&mut self, character: char) {
        self.byte(u8::try_from(character).unwrap_or(b'?'));
    }

    /// Writes `value` in decimal digits, without the formatting and the division of the standard library (3 KB of flash).
    pub fn number(&mut self, value: u64) {
        let mut digits = [0_u8; 20];
        for bit in (0..u64::BITS).rev() {
            let mut carry = (value >> bit) as u8 & 1;
            for digit in digits.iter_mut().rev() {
                let doubled = *digit * 2 + carry;
                carry = u8::from(doubled > 9);
                *digit = if doubled > 9 { doubled - 10 } else { doubled };
            }
        }
        let zeros = digits.iter().take(digits.len() - 1).take_while(|digit| **digit == 0).count();
        for digit in digits.iter().skip(zeros) {
            self.byte(b'0' + digit);
        }
    }
}

unsafe extern "C" {
    /// cortex-m-rt's entry of the handler below.
    fn DefaultHandler();
}

/// The board's interrupts (AN386 §3.3): all of them are one handler. 32, not the 240 that a table for any board has.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 32] = [DefaultHandler; 32];

/// Every device interrupt; only the link's receiver is enabled.
#[exception]
unsafe fn DefaultHandler(interrupt: i16) {
    if interrupt != UART0_RX_INTERRUPT {
        return;
    }
    let uart = Uart::at(UART0);
    uart.interrupt.write(INTERRUPT_RX);
    while uart.state.read() & STATE_RX_FULL != 0 {
        let byte = (uart.data.read() & 0xff) as u8;
        let head = HEAD.load(Ordering::Relaxed);
        let next = (head + 1) % RING;
        if next != TAIL.load(Ordering::Acquire)
            && let Some(slot) = BYTES.get(head)
        {
            slot.store(byte, Ordering::Relaxed);
            HEAD.store(next, Ordering::Release);
        }
    }
}
