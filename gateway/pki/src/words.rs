//! The 256 words that a fingerprint is read out in: short, neutral, not easily confused.
//!
//! One word is one byte. The list never changes: people compare what they wrote down. Invariant: 256 different words.

/// Word of each byte.
pub(crate) const WORDS: [&str; 256] = [
    "acorn", "agate", "alder", "amber", "anchor", "apple", "apron", "arch", "arrow", "ash", "aspen", "atlas",
    "attic", "auburn", "autumn", "badge", "bagel", "baker", "balcony", "bamboo", "banjo", "barley", "basil",
    "basket", "bay", "beach", "beacon", "bean", "bench", "birch", "biscuit", "blanket", "bluff", "boat",
    "bolt", "bonnet", "border", "bottle", "bow", "bracket", "branch", "brass", "bread", "breeze", "brick",
    "bridge", "bronze", "brook", "brush", "bucket", "button", "cabin", "cable", "cactus", "camel", "canal",
    "candle", "canoe", "canvas", "cape", "carbon", "cargo", "carpet", "castle", "cedar", "cellar", "chalk",
    "chart", "cherry", "chess", "chime", "cinder", "circle", "citrus", "clay", "cliff", "clock", "cloud",
    "clover", "coal", "cobalt", "comet", "compass", "copper", "coral", "cork", "corner", "cotton", "cove",
    "crane", "crater", "cream", "creek", "crown", "crystal", "cup", "curve", "dahlia", "daisy", "dawn",
    "delta", "desk", "dial", "dome", "door", "dove", "dragon", "drum", "dune", "eagle", "easel", "echo",
    "elbow", "elm", "ember", "engine", "fabric", "falcon", "farm", "feather", "fence", "fern", "ferry",
    "fiber", "field", "finch", "flag", "flint", "flute", "foam", "forest", "fork", "fountain", "fox",
    "frame", "frost", "galaxy", "garden", "gate", "ginger", "glacier", "glass", "globe", "glove", "grain",
    "granite", "grape", "gravel", "grove", "guitar", "gull", "hammer", "harbor", "harp", "hawk", "hazel",
    "helmet", "heron", "hill", "honey", "hook", "horizon", "igloo", "indigo", "inlet", "iris", "iron",
    "island", "ivory", "ivy", "jacket", "jade", "jasmine", "jigsaw", "juniper", "kayak", "kettle", "kiln",
    "kite", "ladder", "lagoon", "lamp", "lantern", "larch", "lark", "laurel", "lava", "leaf", "lemon",
    "lens", "lilac", "lily", "linen", "loom", "lotus", "lunar", "magnet", "maple", "marble", "meadow",
    "melon", "mesa", "metal", "mint", "mirror", "moss", "mountain", "needle", "nest", "nickel", "nutmeg",
    "oak", "oasis", "oat", "ocean", "olive", "onyx", "orbit", "orchid", "otter", "oval", "owl", "oxide",
    "paddle", "palm", "panel", "paper", "parrot", "pearl", "pebble", "pepper", "piano", "pine", "planet",
    "plum", "pond", "poplar", "prism", "quartz", "quill", "rabbit", "rail", "raven", "reef", "ribbon",
    "river", "robin", "rocket", "saddle", "sail", "salmon", "sand", "saturn", "scarf", "shell", "silver",
];
