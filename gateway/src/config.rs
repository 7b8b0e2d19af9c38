//! The configuration file: `sitewarden.toml`, every key with a default, unknown keys refused.
//!
//! This module reads and checks; it opens nothing. Each slice brings its own section. Invariant: the
//! shipped `config/sitewarden.toml` is the defaults, key by key (a test compares).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

mod place;

use crate::limits::{FILE_BYTES, HELD_MAX};

/// All sections.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    pub(crate) site: Site,
    pub(crate) web: Web,
    pub(crate) broker: sitewarden_broker::Config,
    pub(crate) agents: sitewarden_devices::agents::link::Config,
    pub(crate) store: sitewarden_store::Config,
    pub(crate) telemetry: Telemetry,
    pub(crate) uplink: sitewarden_uplink::Config,
    pub(crate) rules: Folder,
    pub(crate) policies: Folder,
    pub(crate) dialects: Folder,
    pub(crate) board: Board,
    pub(crate) log: Log,
}

impl Config {
    /// What is wrong with values that each could be read; each begins with its key.
    fn problems(&self) -> impl Iterator<Item = String> {
        self.broker
            .check()
            .into_iter()
            .map(|problem| format!("broker.{problem}"))
            .chain(self.listener_twice())
            .chain(self.store.problems())
            .chain(self.telemetry.problem())
            .chain(self.agents.problems())
            .chain(self.board.problems())
            .chain(self.log.problem())
    }

    /// A name or an address that two listeners want.
    fn listener_twice(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        let mut addresses = BTreeSet::from([self.web.listen]);
        for listener in &self.broker.listeners {
            let (name, address) = (&listener.name, listener.address);
            if !names.insert(name) {
                problems.push(format!("broker.listeners.{name}: another listener has this name too"));
            }
            if address.port() != 0 && !addresses.insert(address) {
                problems.push(format!(
                    "broker.listeners.{name}: {address} is another listener's address; give each its own port"
                ));
            }
        }
        problems
    }

    /// Folders and files that the configuration names and that are not there. `run` says so too, and does
    /// what is safe; here it is told before.
    pub(crate) fn missing(&self) -> Vec<String> {
        let folders = [("rules", &self.rules), ("policies", &self.policies), ("dialects", &self.dialects)];
        let mut problems: Vec<String> = folders
            .into_iter()
            .filter_map(|(key, folder)| Some((key, folder.dir.as_ref().filter(|dir| !dir.is_dir())?)))
            .map(|(key, dir)| format!("{key}.dir: there is no folder {}", dir.display()))
            .collect();
        if let Some(file) = self.board.file.as_ref().filter(|file| !file.is_file()) {
            problems.push(format!("board.file: there is no file {}", file.display()));
        }
        problems
    }
}

/// `[site]`: what the box is called.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Site {
    /// Shown in the title bar and in exports.
    pub(crate) name: String,
}

impl Default for Site {
    fn default() -> Self {
        Self { name: "My site".to_owned() }
    }
}

/// `[web]`: the https listener.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Web {
    /// Address and port; port 0 takes a free one and the ready line says which.
    pub(crate) listen: SocketAddr,
    /// Names and addresses, besides the host's own, that the certificate is made for.
    pub(crate) names: Vec<String>,
}

impl Default for Web {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 8443)), names: Vec::new() }
    }
}

/// `[telemetry]`: how long readings are kept.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Telemetry {
    /// Days that readings are kept, counted from their arrival.
    pub(crate) raw_days: u64,
    /// Mebibytes of readings that are kept at most; the oldest go first.
    pub(crate) max_mib: u64,
    /// Milliseconds that readings sent with QoS 0 may wait for a common commit. Nobody waits for their
    /// acknowledgement; a power cut loses that much of them. Zero commits each at once.
    pub(crate) linger_qos0_ms: u64,
}

impl Telemetry {
    /// What is wrong with the values.
    fn problem(&self) -> Option<String> {
        let most = HELD_MAX.as_millis();
        (u128::from(self.linger_qos0_ms) > most).then(|| {
            format!(
                "telemetry.linger-qos0-ms is {}; at most {most} is allowed, because a power cut loses that much",
                self.linger_qos0_ms
            )
        })
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { raw_days: 30, max_mib: 4096, linger_qos0_ms: 100 }
    }
}

/// A folder that replaces a shipped set; none means the shipped one.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Folder {
    /// Relative paths are taken from the folder of the configuration file.
    pub(crate) dir: Option<PathBuf>,
}

/// `[board]`: the box's own hardware; without a name or file there is none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Board {
    /// A shipped board file.
    pub(crate) name: Option<String>,
    /// A board file of one's own; relative paths are taken from the folder of the configuration file.
    pub(crate) file: Option<PathBuf>,
    /// Whether a simulated or recorded board may stand in for a real one.
    pub(crate) development: bool,
}

impl Board {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.name.is_some() && self.file.is_some() {
            problems.push("board.name and board.file: only one of them".to_owned());
        }
        if let Some(name) = &self.name
            && let Err(error) = sitewarden_board::shipped(name)
        {
            problems.push(format!("board.name: {error}"));
        }
        problems
    }
}

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Log {
    /// `error`, `warn`, `info`, `debug`, or a filter such as `info,sitewarden_broker=debug`.
    pub(crate) level: String,
    /// `json` for machines, `text` for people.
    pub(crate) format: LogFormat,
}

/// What a level of the log can be.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Log {
    /// A word that is no level would be taken for a module's name, and the log would be silent.
    fn problem(&self) -> Option<String> {
        let level = |part: &str| part.rsplit('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        let wrong = self.level.split(',').find(|part| !LEVELS.contains(&level(part).as_str()))?;
        Some(format!("log.level: \"{wrong}\" is not a level; give one of {}", LEVELS.join(", ")))
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Json }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    Json,
    Text,
}

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {}: check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} has {bytes} bytes, more than the {FILE_BYTES} that a configuration may have", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{}", problems.join("\n"))]
    Values { problems: Vec<String> },
    #[error("{}:{line}:{column}: {message}{hint}", path.display())]
    Parse { path: PathBuf, line: usize, column: usize, message: String, hint: String },
}

/// Reads and checks a file; no file means the defaults. Relative folders are made absolute.
pub(crate) fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
    let Some(path) = path else { return Ok(Config::default()) };
    let read_error = |source| ConfigError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(read_error)?.len();
    if bytes > FILE_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned(), bytes });
    }
    let text = std::fs::read_to_string(path).map_err(read_error)?;
    let mut config = parse(path, &text)?;
    let problems: Vec<String> = config.problems().map(|problem| place::tell(path, &text, &problem)).collect();
    if !problems.is_empty() {
        return Err(ConfigError::Values { problems });
    }
    let base = path.parent().unwrap_or_else(|| Path::new("."));
    for folder in [&mut config.rules, &mut config.policies, &mut config.dialects] {
        if let Some(dir) = &mut folder.dir {
            *dir = base.join(&*dir);
        }
    }
    config.uplink.ca = base.join(&config.uplink.ca);
    if let Some(file) = &mut config.board.file {
        *file = base.join(&*file);
    }
    Ok(config)
}

/// As [`load`], and what the file names must be there.
pub(crate) fn checked(path: &Path) -> Result<Config, ConfigError> {
    let config = load(Some(path))?;
    let missing = config.missing();
    if missing.is_empty() {
        return Ok(config);
    }
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Err(ConfigError::Values { problems: missing.iter().map(|each| place::tell(path, &text, each)).collect() })
}

fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let missing = error.message().strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let place = missing.and_then(|key| place::of_missing(text, key));
        let (line, column) =
            place.unwrap_or_else(|| place::position(text, error.span().map_or(0, |span| span.start)));
        let message = plain(error.message());
        let hint = nearest_hint(&message);
        ConfigError::Parse { path: path.to_owned(), line, column, message, hint }
    })
}

/// What the reader of the file says in a programmer's words, for people.
fn plain(message: &str) -> String {
    let whole = ["u64", "usize", "u32", "u16"]
        .iter()
        .find_map(|kind| message.strip_suffix(&format!("expected {kind}")));
    if let Some(before) = whole {
        return format!("{}expected a whole number, 0 or more", before.replace(" as i128", ""));
    }
    match message {
        "invalid socket address syntax" => {
            "not an address: expected an IP address and a port, such as \"127.0.0.1:8443\"".to_owned()
        }
        "invalid type: map, expected a sequence" => "expected a list; for a table that is [[...]]".to_owned(),
        other => other.to_owned(),
    }
}

/// For ``unknown field `lisen`, expected one of `listen`, `names` `` the nearest right key.
fn nearest_hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else { return String::new() };
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return String::new();
    }
    quoted
        .map(|right| (distance(wrong, right), right))
        .min()
        .filter(|(edits, right)| *edits <= right.len().max(wrong.len()).div_ceil(2))
        .map_or_else(String::new, |(_, right)| format!("\n  did you mean `{right}`?"))
}

/// Levenshtein distance; both words are short (keys of this file).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (above, cb) in row.iter_mut().skip(1).zip(&b) {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = *above;
            left = substituted.min(left + 1).min(*above + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        parse(Path::new("sitewarden.toml"), text).expect_err("the text has a mistake").to_string()
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(parse(Path::new("x"), "").expect("parses"), Config::default());
    }

    const SHIPPED: &str = include_str!("../../config/sitewarden.toml");

    #[test]
    fn the_shipped_file_is_the_defaults() {
        let shipped = parse(Path::new("config/sitewarden.toml"), SHIPPED).expect("the shipped file parses");
        assert_eq!(shipped, Config::default());
    }

    /// The keys that a section takes, out of what the reader expects in place of a wrong one.
    fn keys_of(section: &str) -> Vec<String> {
        let text = if section.is_empty() { "zzz = 1".to_owned() } else { format!("[{section}]\nzzz = 1") };
        error_of(&text)
            .lines()
            .next()
            .unwrap_or_default()
            .split('`')
            .skip(3)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_shipped_file_has_every_key() {
        let mut sections = vec![String::new()];
        sections.extend(keys_of(""));
        sections.push("broker.limits".to_owned());
        for section in sections {
            for key in keys_of(&section) {
                let there = SHIPPED.lines().any(|line| {
                    let line = line.trim_start_matches("# ").trim_matches(['[', ']']);
                    line.split('=').next().is_some_and(|name| name.trim().split('.').any(|part| part == key))
                });
                assert!(there, "config/sitewarden.toml does not have {section}.{key}");
            }
        }
    }

    #[test]
    fn the_examples_are_good_and_their_folders_are_beside_them() {
        let lab = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/examples/lab.toml");
        let config = load(Some(Path::new(lab))).expect("the laboratory's file is good");
        assert!(config.policies.dir.expect("it names its policies").join("lab.cedar").is_file());
    }

    #[test]
    fn an_unknown_key_is_told_with_place_and_the_nearest_right_key() {
        let error = error_of("[web]\nlisten = \"127.0.0.1:0\"\nnmes = []\n");
        assert!(error.starts_with("sitewarden.toml:3:1: unknown field `nmes`"), "{error}");
        assert!(error.ends_with("did you mean `names`?"), "{error}");
    }

    #[test]
    fn an_unknown_section_is_told_too() {
        let error = error_of("[webb]\n");
        assert!(error.contains("did you mean `web`?"), "{error}");
    }

    #[test]
    fn a_listener_that_lacks_a_key_is_told_at_its_own_table() {
        let error = error_of("[web]\n\n[[broker.listeners]]\nname = \"a\"\n");
        assert!(error.starts_with("sitewarden.toml:3:1: missing field `address`"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_told_with_its_place() {
        let error = error_of("[web]\nlisten = 8443\n");
        assert!(error.starts_with("sitewarden.toml:2:10: "), "{error}");
    }

    /// What `load` says of a file with this text.
    fn refusal_of(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let error = load(Some(file.path())).expect_err("the text has a mistake").to_string();
        error.replace(&file.path().display().to_string(), "x.toml")
    }

    #[test]
    fn a_value_that_cannot_work_is_told_with_its_place() {
        let error = refusal_of("[broker.limits]\ninflight-out = 0\n[log]\nlevel = \"verbose\"\n");
        assert_eq!(
            error,
            "x.toml:2:1: broker.limits.inflight-out = 0: must be at least 1\n\
             x.toml:4:1: log.level: \"verbose\" is not a level; give one of off, error, warn, info, debug, trace"
        );
    }

    #[test]
    fn levels_by_module_are_levels() {
        let log = |level: &str| Log { level: level.to_owned(), ..Log::default() }.problem();
        assert_eq!(log("info,sitewarden_broker=debug"), None);
        assert_eq!(log("WARN"), None);
        assert!(log("info,sitewarden_broker=loud").is_some() && log("").is_some());
    }

    #[test]
    fn two_listeners_of_one_name_or_address_are_told() {
        let listener = |name: &str, port: u16| {
            format!("[[broker.listeners]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\n")
        };
        let error = refusal_of(&format!("{}{}", listener("a", 1), listener("a", 1)));
        assert!(error.contains("broker.listeners.a: another listener has this name too"), "{error}");
        assert!(error.contains("127.0.0.1:1 is another listener's address"), "{error}");
        assert!(error.starts_with("x.toml:4:"), "{error}");
    }

    #[test]
    fn what_the_reader_says_is_said_for_people() {
        let error = error_of("[store]\nreaders = \"5\"\n");
        assert!(error.ends_with("invalid type: string \"5\", expected a whole number, 0 or more"), "{error}");
        let error = error_of("[web]\nlisten = \"localhost\"\n");
        assert!(error.contains("expected an IP address and a port"), "{error}");
    }

    #[test]
    fn folders_that_are_not_there_are_told() {
        let mut config = Config::default();
        assert_eq!(config.missing(), Vec::<String>::new());
        config.rules.dir = Some("/nowhere/rules".into());
        assert_eq!(config.missing(), ["rules.dir: there is no folder /nowhere/rules"]);
    }

    #[test]
    fn distances_are_edit_distances() {
        assert_eq!(distance("lisen", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
