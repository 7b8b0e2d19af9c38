//! Seeded mutation: the same 100,000 broken packets each run.
//!
//! Not coverage-guided: that is the fuzz target's part, which runs the same body.

use super::*;

const SEEDS: &[&str] = &[
    "101f00044d51545404ee003c00036369640003772f740003627965000175000170",
    "103900044d5154540502003c2b110000000a2100052700010000220003190117002600016b0001762600016b0001761500016d1600020001000161",
    "103400044d5154540536003c000001611f1800000003010102000000090300017408000172090001632600016b00017600017700016d",
    "3d090003612f62ffff6869",
    "323100016100072901010200000009230003080003722f74090001ff2600016b0001762600016b000176030004746578746869",
    "40110001800d1f00037768792600016b000176",
    "6203000192",
    "821200010005612f2b2f62000001230100012b02",
    "821500010c0bffffff7f2600016b0001760003612f2301",
    "8212000100000c2473686172652f672f612f2301",
    "a20d0001072600016b000176000161",
    "e00b000911000000001f000178",
    "f00a18081500016d16000164",
];

/// xorshift64: good enough to break packets, the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
    fn byte(&mut self) -> u8 {
        const EDGES: [u8; 8] = [0, 1, 0x7F, 0x80, 0xFF, b'#', b'+', b'/'];
        if self.below(2) == 0 { EDGES[self.below(8)] } else { u8::try_from(self.below(256)).unwrap() }
    }
}

fn mutate(packet: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(packet.len());
        match random.below(6) {
            0 if !packet.is_empty() => packet[at] = random.byte(),
            1 if !packet.is_empty() => packet[at] ^= 1 << random.below(8),
            2 => packet.insert(at, random.byte()),
            3 if packet.len() > 1 => drop(packet.remove(at)),
            4 => packet.truncate(at),
            _ => {
                let tail = packet[at.min(packet.len())..].to_vec();
                packet.extend(tail);
            }
        }
    }
}

#[test]
fn a_hundred_thousand_mutated_packets_break_nothing() {
    let mut random = Random(0x5EED_1234_ABCD_0001);
    let seeds: Vec<Vec<u8>> = SEEDS.iter().map(|seed| unhex(seed)).collect();
    let mut lengths_kept = 0;
    for round in 0..100_000 {
        let mut packet = seeds[random.below(seeds.len())].clone();
        mutate(&mut packet, &mut random);
        // Every second time with a right length field, so that the bodies are reached.
        if round % 2 == 0 && packet.len() > 2 && packet.len() < 130 {
            packet[1] = u8::try_from(packet.len() - 2).unwrap();
            lengths_kept += 1;
        }
        let choice = random.byte();
        packet.insert(0, choice);
        fuzz_decode(&packet);
    }
    assert!(lengths_kept > 40_000, "{lengths_kept}");
}
