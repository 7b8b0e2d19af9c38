//! Bounds of the rule engine, in one place.
//!
//! Not the bounds of an event's own shape (those stand in `sitewarden_core::limits`). Every bound that can be
//! hit at run time is counted in [`crate::Stats`] or told as a [`crate::RuleError`].

/// Longest rule file in bytes; the largest public rule file has 40 kB.
pub const RULE_FILE_BYTES: usize = 1_048_576;

/// Most YAML nodes of one document, aliases expanded: what stops "billion laughs". The largest public rule has
/// under 3,000.
pub const YAML_NODES: usize = 50_000;

/// Deepest nesting of a rule document. Public rules stay below 10.
pub const YAML_DEPTH: usize = 32;

/// Most documents in one rule file.
pub const YAML_DOCUMENTS: usize = 1_024;

/// Most rules in one set; 100 times the goal of 1,000 would not fit the memory of the box.
pub const RULES: usize = 20_000;

/// Most comparisons in one rule. The largest public rule has about 1,500.
pub const RULE_ATOMS: usize = 8_192;

/// Most combinations of rules that fulfil the extended condition of an ordered correlation.
pub const CORRELATION_BRANCHES: usize = 256;

/// Most correlations that stand on each other. Public rules have two.
pub const CORRELATION_DEPTH: usize = 16;

/// Deepest nesting of parentheses and `not` in a condition.
pub const CONDITION_DEPTH: usize = 32;

/// Longest condition in bytes.
pub const CONDITION_BYTES: usize = 8_192;

/// Most parts of one `expr`, which is also the most steps of its evaluation.
pub const EXPRESSION_STEPS: usize = 256;

/// Deepest nesting of an `expr`.
pub const EXPRESSION_DEPTH: usize = 32;

/// Longest `expr` in bytes.
pub const EXPRESSION_BYTES: usize = 4_096;

/// Most bytes of an event's texts that one evaluation of an `expr` reads; what comes after counts as missing.
pub const EXPRESSION_TEXT: usize = 4 << 20;

/// Largest compiled regular expression in bytes. The engine is linear in time; this bounds its memory.
pub const REGEX_BYTES: usize = 1_048_576;

/// Memory of one regular expression's lazy automaton in bytes.
pub const REGEX_CACHE_BYTES: usize = 1_048_576;

/// Most wildcards in one value; each costs one more search over the text.
pub const WILDCARDS: usize = 64;

/// Longest event in bytes, as many as the largest MQTT message has; a longer one is counted as no JSON.
pub const EVENT_BYTES: usize = 256 << 20;

/// Most JSON nesting that is looked into; what lies deeper is skipped, not matched.
pub const JSON_DEPTH: usize = 64;

/// Most values of one field that an event may carry (through lists); further ones are not looked at.
pub const FIELD_VALUES: usize = 1_024;

/// Most keys (groups) that one rule remembers; the oldest sixteenth is evicted and counted.
pub const KEYS_PER_RULE: usize = 10_000;

/// Most bytes that all rules together remember (keys, matches in windows, values, events kept as evidence): an eighth of
/// a box with 1 GB. When it is reached, the rule that remembers most gives up its oldest keys, which is counted.
pub const STATE_BYTES: usize = 128 << 20;

/// Entries of the queue of deadlines beyond two for each key; then those that were overtaken are removed.
pub const TIMER_SLACK: usize = 1_024;

/// Longest key in bytes; a longer one is cut and ends in a hash of the whole.
pub const KEY_BYTES: usize = 256;

/// Most events that a window remembers for one key.
pub const WINDOW_EVENTS: usize = 4_096;

/// Events that a window keeps whole as evidence; as many as one finding shows.
pub const WINDOW_EVIDENCE: usize = sitewarden_core::limits::EVIDENCE_EVENTS;

/// Events that a pending or raised condition keeps as evidence: the first and the latest ones.
pub const HOLD_EVIDENCE: usize = 4;

/// Most deadlines that `rules match` runs on their own between two events, then time jumps: a file with an event of
/// 1970 and one of today is not judged second by second.
pub const DEADLINES_BETWEEN_EVENTS: usize = 10_000;

/// How far behind the newest event of its key an event may be and still count as merely late, in seconds.
/// Beyond it the sender's clock was set back, and the key starts again from the new time.
pub const LATE_SECONDS: u64 = 300;

/// The longest step between two events that counts as held time when the rule gives no `max-gap`, in seconds.
/// It keeps a sender whose clock jumps from 1970 to today from having "held" for decades.
pub const STEP_SECONDS: u64 = 86_400;

/// 2001-01-01 in seconds since 1970: an event from before it comes from a clock that was never set (such clocks
/// begin in 1970, 1980 or 2000), and the box's time is taken.
pub const UNSET_SECONDS: i64 = 978_307_200;

/// How far ahead of the box's clock an event's own time may lie before the box's time is taken, in seconds.
pub const AHEAD_SECONDS: u64 = 3_600;

/// Largest snapshot that is read, in bytes: 1,000 rules x 10,000 keys at 100 bytes, four times over.
pub const SNAPSHOT_BYTES: usize = 4 << 30;

/// Most values that `first-seen` remembers for one key.
pub const FIRST_SEEN_VALUES: usize = 1_024;

/// Groups that one collapsed finding names; the count says how many there are.
pub const COLLAPSED_NAMES: usize = 20;

/// Most shapes of events (log source and fields) for which gates are made; the rest share those of their log
/// source. A site has some dozens.
pub const SHAPES: usize = 256;

/// Most gates that all shapes together hold, at about 48 bytes each; reached, no shape is added.
pub const SHAPE_ENTRIES: usize = 500_000;

/// How often a shape has to come before gates are made for it: making them costs as much as some hundred events.
pub const SHAPE_FREQUENT: u32 = if cfg!(test) { 2 } else { 16 };

/// How often a shape has to come without a place before all shapes are forgotten in its favour; seldom enough that a
/// sender of ever new shapes costs the others little.
pub const SHAPE_STARVED: u32 = 4_096;

/// Most texts that one vector search looks for at once; with more of them it is no longer the quicker one.
pub const QUICK_TEXTS: usize = 48;

/// Longest name of a log source in bytes that is remembered as it was written; longer ones are looked up each time.
pub const SOURCE_BYTES: usize = 128;

/// Most names of fields that are remembered to predict which comes next; a sender can make up any number of names.
pub const NAMES: usize = 4_096;

/// Longest name of a field in bytes that is remembered to predict which comes next.
pub const NAME_BYTES: usize = 128;

/// Most log sources whose routing is remembered; rule sets name a few dozen. Reached, all are made anew.
pub const SOURCES: usize = 256;
