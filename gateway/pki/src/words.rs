//! Fingerprints that people can compare: words for a screen and a phone, hexadecimal for tools.
//!
//! 256 short, neutral words, so one word is one byte. The list never changes: a fingerprint that was
//! written down must stay true.

use ring::digest;

use crate::limits::FINGERPRINT_WORDS;

/// The word of each byte.
#[rustfmt::skip]
pub const WORDS: [&str; 256] = [
    "acorn", "adder", "agate", "alder", "algae", "alloy", "almond", "amber", "anchor", "angle", "anvil",
    "apple", "apron", "arbor", "arch", "arrow", "aspen", "atlas", "attic", "autumn", "badge", "bagel",
    "baker", "balm", "bamboo", "banjo", "barge", "barley", "basil", "basket", "beacon", "beam", "beaver",
    "beech", "bell", "bench", "berry", "birch", "bison", "blanket", "blossom", "boat", "bonnet", "book",
    "boulder", "bowl", "branch", "brass", "bread", "breeze", "brick", "bridge", "broom", "brush", "bucket",
    "bugle", "butter", "button", "cabin", "cable", "cactus", "camel", "candle", "canoe", "canvas", "canyon",
    "cape", "carbon", "cargo", "carpet", "carrot", "castle", "cedar", "cello", "chalk", "cherry", "chess",
    "chime", "cider", "cinder", "circle", "citrus", "clay", "cliff", "clock", "cloud", "clover", "cobalt",
    "cocoa", "comet", "compass", "copper", "coral", "cork", "cotton", "cradle", "crane", "crater", "crayon",
    "creek", "cricket", "crown", "crystal", "curtain", "cypress", "daisy", "dawn", "delta", "desert", "dew",
    "diamond", "dolphin", "donkey", "dragon", "drum", "dune", "eagle", "echo", "elbow", "elder", "elm",
    "ember", "engine", "fabric", "falcon", "feather", "fern", "ferry", "fiddle", "field", "finch", "flame",
    "flint", "flute", "foam", "forest", "fossil", "fox", "frost", "galaxy", "garden", "garlic", "garnet",
    "gate", "ginger", "glacier", "glass", "globe", "goose", "granite", "grape", "grass", "gravel", "grove",
    "guitar", "gull", "hammer", "harbor", "harp", "harvest", "hawk", "hazel", "hedge", "heron", "hill",
    "honey", "horizon", "horn", "ice", "indigo", "iris", "iron", "island", "ivory", "ivy", "jacket", "jade",
    "jasmine", "jelly", "jungle", "juniper", "kayak", "kernel", "kettle", "kite", "ladder", "lagoon",
    "lake", "lantern", "larch", "lark", "laurel", "lava", "leaf", "ledge", "lemon", "lentil", "lily",
    "lime", "linen", "lion", "lobster", "locket", "lotus", "lumber", "lunar", "magnet", "mango", "maple",
    "marble", "marsh", "meadow", "melon", "mesa", "metal", "mint", "mirror", "mist", "moon", "moss",
    "mountain", "mustard", "nectar", "needle", "nest", "nickel", "north", "nutmeg", "oak", "oasis", "ocean",
    "olive", "onion", "opal", "orange", "orbit", "orchard", "orchid", "otter", "oval", "owl", "oyster",
    "paddle", "palm", "panda", "paper", "parrot", "pasture", "peach", "pearl", "pebble", "pepper", "piano",
    "pigeon", "pillow", "pine",
];

/// SHA-256 of a certificate's DER as lower-case hexadecimal.
#[must_use]
pub fn fingerprint_hex(der: &[u8]) -> String {
    digest::digest(&digest::SHA256, der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first eight bytes of the fingerprint as words.
#[must_use]
pub fn fingerprint_words(der: &[u8]) -> Vec<&'static str> {
    let digest = digest::digest(&digest::SHA256, der);
    digest
        .as_ref()
        .iter()
        .take(FINGERPRINT_WORDS)
        .filter_map(|byte| WORDS.get(usize::from(*byte)).copied())
        .collect()
}
