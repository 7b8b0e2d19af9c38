//! Output of `strace -f -xx`: reads, writes and syncs of all threads, in the order in which they happened.
//!
//! strace is one process, so the order of its lines is an order of events. A call that others interrupt
//! stands in two lines: it begins in the first (`<unfinished ...>`) and ends in the second (`resumed`).

use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Sync,
}

/// One finished call: the lines where it began and ended, and the bytes it moved.
#[derive(Clone, Debug)]
struct Call {
    kind: Kind,
    begin: usize,
    end: usize,
    bytes: Vec<u8>,
}

/// All calls of interest.
pub(crate) struct Trace {
    calls: Vec<Call>,
}

impl Trace {
    pub(crate) fn parse(text: &str) -> Self {
        let mut calls = Vec::new();
        let mut open: HashMap<&str, (usize, &str)> = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let Some((thread, rest)) = line.trim_start().split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(head) = rest.strip_suffix("<unfinished ...>") {
                open.insert(thread, (number, head));
                continue;
            }
            let (begin, head, tail) = match rest.strip_prefix("<... ") {
                Some(tail) => match open.remove(thread) {
                    Some((begin, head)) => (begin, head, tail),
                    // It began before strace came.
                    None => continue,
                },
                None => (number, rest, ""),
            };
            let name = head.split('(').next().unwrap_or_default();
            let kind = match name {
                "read" | "readv" | "recvfrom" | "recvmsg" => Kind::Read,
                "write" | "writev" | "sendto" | "sendmsg" => Kind::Write,
                "fsync" | "fdatasync" => Kind::Sync,
                _ => continue,
            };
            let result = rest.rsplit("= ").next().unwrap_or_default();
            if result.starts_with('-') || (kind == Kind::Sync && !result.starts_with('0')) {
                continue;
            }
            let bytes = [bytes_in(head), bytes_in(tail)].concat();
            calls.push(Call { kind, begin, end: number, bytes });
        }
        Self { calls }
    }

    /// Was there a whole sync between the end of the read that brought the packet and the begin of the
    /// write that holds the answer?
    pub(crate) fn synced_between(&self, packet: &[u8], answer: &[u8]) -> Result<(), String> {
        let of = |kind, bytes: &[u8]| {
            let found = self.calls.iter().find(|call| call.kind == kind && contains(&call.bytes, bytes));
            found.ok_or_else(|| format!("no {kind:?} with {bytes:02x?} among {} calls", self.calls.len()))
        };
        let (read, written) = (of(Kind::Read, packet)?, of(Kind::Write, answer)?);
        let between =
            |call: &&Call| call.kind == Kind::Sync && call.begin > read.end && call.end < written.begin;
        let sync = self.calls.iter().find(between);
        sync.map(|_| ()).ok_or_else(|| {
            format!("read in line {}, answered in line {}, no sync between", read.end, written.begin)
        })
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The bytes of all `"\x..\x.."` in a piece of a line.
fn bytes_in(text: &str) -> Vec<u8> {
    let quoted = text.split('"').skip(1).step_by(2);
    quoted
        .flat_map(|hex| hex.split("\\x").skip(1))
        .filter_map(|hex| u8::from_str_radix(hex, 16).ok())
        .collect()
}

const PACKET: &[u8] = b"ab";
const ANSWER: &[u8] = &[0x40, 2, 0, 1];

#[test]
fn a_sync_in_between_is_found_also_when_calls_overlap() {
    let text = "7 read(5, \"\\x61\\x62\", 9) = 2\n\
                8 fdatasync(9 <unfinished ...>\n\
                7 read(5, 0x0, 9) = -1 EAGAIN (Resource temporarily unavailable)\n\
                8 <... fdatasync resumed>) = 0\n\
                7 writev(5, [{iov_base=\"\\x40\\x02\\x00\\x01\", iov_len=4}], 1) = 4\n";

    assert_eq!(Trace::parse(text).synced_between(PACKET, ANSWER), Ok(()));
}

#[test]
fn a_sync_that_began_before_the_read_or_ends_after_the_answer_does_not_count() {
    let early = "8 fdatasync(9 <unfinished ...>\n\
                 7 read(5, \"\\x61\\x62\", 9) = 2\n\
                 8 <... fdatasync resumed>) = 0\n\
                 7 write(5, \"\\x40\\x02\\x00\\x01\", 4) = 4\n";
    let late = "7 read(5, \"\\x61\\x62\", 9) = 2\n\
                8 fdatasync(9 <unfinished ...>\n\
                7 write(5, \"\\x40\\x02\\x00\\x01\", 4) = 4\n\
                8 <... fdatasync resumed>) = 0\n";
    let failed = "7 read(5, \"\\x61\\x62\", 9) = 2\n\
                  8 fdatasync(9) = -1 EIO (Input/output error)\n\
                  7 write(5, \"\\x40\\x02\\x00\\x01\", 4) = 4\n";

    for text in [early, late, failed] {
        let result = Trace::parse(text).synced_between(PACKET, ANSWER);
        assert!(result.is_err_and(|why| why.contains("no sync between")), "{text}");
    }
}
