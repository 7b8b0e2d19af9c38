//! Profile files: TOML that says which topics carry what.
//!
//! Loading and checking only. Not decoding. Invariant: an error says file, line, column, what is wrong and
//! what would be right; a file with an error contributes nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use sitewarden_core::AssetKind;
use thiserror::Error;
use toml::Spanned;

use crate::limits::{METRIC_BYTES, PATHS, PROFILE_BYTES};
use crate::path::{Path, Tree};
use crate::pattern::{Fault, Pattern, Template};
use crate::time::Format;
use crate::units::{self, Conversion};

mod effects;

/// A mistake in a profile file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct ProfileError {
    /// Name of the file, as it was given.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty when nothing better is known than the message.
    pub hint: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "; right would be: {}", self.hint) }
    }
}

/// How the payloads of a pattern are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Payload {
    /// One value: a number, `true`, a short text, or an object with keys for value, unit and time.
    #[serde(rename = "value")]
    Value,
    /// A JSON object whose keys are metrics.
    #[serde(rename = "object")]
    Object,
    /// An event of rtl_433.
    #[serde(rename = "rtl_433")]
    Rtl433,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Others {
    #[default]
    Keep,
    Ignore,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    topic: Vec<RawTopic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawTopic {
    pattern: Spanned<String>,
    payload: Payload,
    device: Option<Spanned<String>>,
    namespace: Option<Spanned<String>>,
    #[serde(default = "sensor")]
    kind: AssetKind,
    metric: Option<Spanned<String>>,
    value_keys: Option<Spanned<Vec<Spanned<String>>>>,
    unit_keys: Option<Spanned<Vec<Spanned<String>>>>,
    time_keys: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default = "time_formats")]
    time_formats: Vec<Format>,
    others: Option<Spanned<Others>>,
    #[serde(default)]
    ignore: Vec<Spanned<String>>,
    #[serde(default)]
    metrics: BTreeMap<Spanned<String>, Spanned<RawMetric>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawMetric {
    name: Option<Spanned<String>>,
    unit: Option<Spanned<String>>,
    scale: Option<Spanned<f64>>,
    offset: Option<Spanned<f64>>,
}

fn sensor() -> AssetKind {
    AssetKind::Sensor
}
fn time_formats() -> Vec<Format> {
    vec![Format::Rfc3339, Format::DateTime, Format::EpochSeconds]
}

/// One `[[topic]]`, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) pattern: Pattern,
    pub(crate) payload: Payload,
    pub(crate) device: Option<Template>,
    pub(crate) namespace: String,
    pub(crate) kind: AssetKind,
    pub(crate) metric: Option<Template>,
    pub(crate) value_keys: Vec<String>,
    pub(crate) unit_keys: Vec<String>,
    pub(crate) time_keys: Vec<String>,
    pub(crate) time_formats: Vec<Format>,
    pub(crate) keep_others: bool,
    pub(crate) ignore: Vec<String>,
    pub(crate) metrics: HashMap<String, Metric>,
    /// Values inside of others that one of the above names.
    pub(crate) nested: Tree,
    /// Parts that are neither device nor metric: facts of the sighting.
    pub(crate) facts: Vec<(Arc<str>, usize)>,
}

/// How one metric is named and converted.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) name: Arc<str>,
    /// Our unit; `None` when the profile does not say one.
    pub(crate) unit: Option<Arc<str>>,
    pub(crate) conversion: Conversion,
}

pub(crate) fn load(file: &str, text: &str) -> Result<Vec<Topic>, Vec<ProfileError>> {
    let at = |span: Option<Range<usize>>, fault: Fault| {
        let (line, column) = position(text, span.map_or(0, |span| span.start));
        ProfileError { file: file.to_owned(), line, column, message: fault.message, hint: fault.hint }
    };
    if text.len() > PROFILE_BYTES {
        let message = format!("the file is larger than {PROFILE_BYTES} bytes");
        return Err(vec![at(None, Fault { message, hint: "split it".to_owned() })]);
    }
    let raw: File = toml::from_str(text).map_err(|error| {
        vec![at(lacking(text, error.message()).or(error.span()), explain(error.message()))]
    })?;
    let mut topics = Vec::new();
    let mut errors = Vec::new();
    for topic in raw.topic {
        match compile(topic) {
            Ok(topic) => topics.push(topic),
            Err((span, fault)) => errors.push(at(Some(span), fault)),
        }
    }
    if errors.is_empty() { Ok(topics) } else { Err(errors) }
}

/// The first `[[topic]]` without the key that a message says is missing: the parser tells no place for it.
fn lacking(text: &str, message: &str) -> Option<Range<usize>> {
    let key = message.strip_prefix("missing field `")?.split('`').next()?;
    let document = toml::de::DeTable::parse(text).ok()?;
    let (_, topics) = document.get_ref().iter().find(|(name, _)| *name.get_ref() == "topic")?;
    let mut topics = topics.get_ref().as_array()?.iter();
    let lacks = |table: &toml::de::DeTable<'_>| !table.keys().any(|name| *name.get_ref() == key);
    topics.find(|topic| topic.get_ref().as_table().is_some_and(lacks)).map(Spanned::span)
}

type Located = (Range<usize>, Fault);

fn compile(raw: RawTopic) -> Result<Topic, Located> {
    effects::check(&raw)?;
    let span = raw.pattern.span();
    let pattern = Pattern::parse(raw.pattern.get_ref()).map_err(|fault| (span.clone(), fault))?;
    let device = template(raw.device.as_ref(), "device", &pattern)?;
    let metric = template(raw.metric.as_ref(), "metric", &pattern)?;
    if raw.payload == Payload::Value && metric.is_none() {
        let message = "nothing says which metric the value is".to_owned();
        let hint = "a part `{metric}` in the pattern, or metric = \"temperature\"".to_owned();
        return Err((span, Fault { message, hint }));
    }
    let namespace = match &raw.namespace {
        Some(name) => checked_name(name)?,
        None => namespace_of(raw.pattern.get_ref()),
    };
    let facts = pattern
        .names()
        .iter()
        .enumerate()
        .filter(|(index, _)| ![&device, &metric].into_iter().flatten().any(|used| used.uses(*index)))
        .map(|(index, name)| (name.as_str().into(), index))
        .collect();
    let mut named = Named::default();
    Ok(Topic {
        pattern,
        payload: raw.payload,
        device,
        namespace,
        kind: raw.kind,
        metric,
        value_keys: named.keys(raw.value_keys.as_ref(), &["value"])?,
        unit_keys: named.keys(raw.unit_keys.as_ref(), &["unit"])?,
        time_keys: named.keys(raw.time_keys.as_ref(), &["time", "timestamp"])?,
        time_formats: raw.time_formats,
        keep_others: raw.others.is_none_or(|others| *others.get_ref() == Others::Keep),
        ignore: raw
            .ignore
            .iter()
            .map(|key| named.key(key).map(|path| path.key()))
            .collect::<Result<_, _>>()?,
        metrics: named.metrics(raw.metrics, raw.payload)?,
        nested: named.tree,
        facts,
    })
}

/// Collects the nested values that a topic names.
#[derive(Default)]
struct Named {
    tree: Tree,
    paths: usize,
}

impl Named {
    fn key(&mut self, text: &Spanned<String>) -> Result<Path, Located> {
        let path = Path::parse(text.get_ref()).map_err(|fault| (text.span(), fault))?;
        if path.is_nested() {
            self.paths += 1;
            self.tree.insert(&path);
        }
        if self.paths > PATHS {
            let message = format!("more than {PATHS} nested values are named");
            return Err((
                text.span(),
                Fault { message, hint: "fewer; a message gives at most 64".to_owned() },
            ));
        }
        Ok(path)
    }

    fn keys(
        &mut self,
        given: Option<&Spanned<Vec<Spanned<String>>>>,
        default: &[&str],
    ) -> Result<Vec<String>, Located> {
        match given {
            None => Ok(default.iter().map(|&key| key.to_owned()).collect()),
            Some(keys) => keys.get_ref().iter().map(|key| self.key(key).map(|path| path.key())).collect(),
        }
    }

    /// In an object the entries are keys of the payload; else the topic names the metric.
    fn metrics(
        &mut self,
        raw: BTreeMap<Spanned<String>, Spanned<RawMetric>>,
        payload: Payload,
    ) -> Result<HashMap<String, Metric>, Located> {
        let mut metrics = HashMap::with_capacity(raw.len());
        for (key, metric) in raw {
            let (id, name) = match payload {
                Payload::Object => {
                    let path = self.key(&key)?;
                    (path.key(), path.name())
                }
                _ => (key.get_ref().clone(), key.get_ref().clone()),
            };
            if metrics.insert(id, compile_metric(&name, metric)?).is_some() {
                let message = format!("`{}` names a value that another entry names too", key.get_ref());
                return Err((key.span(), Fault { message, hint: "one entry for each value".to_owned() }));
            }
        }
        Ok(metrics)
    }
}

/// The template of a key, or the part of that name when the pattern has one.
fn template(
    given: Option<&Spanned<String>>,
    part: &str,
    pattern: &Pattern,
) -> Result<Option<Template>, Located> {
    match given {
        Some(text) => {
            Template::parse(text.get_ref(), pattern).map(Some).map_err(|fault| (text.span(), fault))
        }
        None if pattern.names().iter().any(|name| name == part) => {
            Ok(Template::parse(&format!("{{{part}}}"), pattern).ok())
        }
        None => Ok(None),
    }
}

/// The first level that can be a namespace, else `topic`.
fn namespace_of(pattern: &str) -> String {
    let plain = pattern.split('/').find(|level| !level.contains(['{', '+', '#']) && is_namespace(level));
    plain.unwrap_or("topic").to_owned()
}

/// `mqtt` names clients that proved who they are, and `:` ends a namespace: a payload must not be able to
/// make such a name.
fn is_namespace(text: &str) -> bool {
    let printable = !text.is_empty() && text.len() <= METRIC_BYTES && !text.contains(char::is_control);
    printable && text != "mqtt" && !text.contains(':')
}

fn checked_name(name: &Spanned<String>) -> Result<String, Located> {
    if is_namespace(name.get_ref()) {
        return Ok(name.get_ref().clone());
    }
    let message = format!("`{}` cannot be a namespace", name.get_ref().escape_debug());
    let hint = "a short name without `:`, other than `mqtt`, which is kept for clients themselves".to_owned();
    Err((name.span(), Fault { message, hint }))
}

fn compile_metric(key: &str, metric: Spanned<RawMetric>) -> Result<Metric, Located> {
    let span = metric.span();
    let metric = metric.into_inner();
    let name = metric.name.as_ref().map_or(key, |name| name.get_ref().as_str());
    if name.is_empty() || name.len() > METRIC_BYTES || name.contains(char::is_control) {
        let message = format!("`{}` cannot be the name of a metric", name.escape_debug());
        let span = metric.name.as_ref().map_or(span, Spanned::span);
        return Err((span, Fault { message, hint: format!("1 to {METRIC_BYTES} printable bytes") }));
    }
    let own = Conversion {
        scale: finite(metric.scale.as_ref(), 1.0)?,
        offset: finite(metric.offset.as_ref(), 0.0)?,
    };
    let Some(unit) = metric.unit else {
        return Ok(Metric { name: name.into(), unit: None, conversion: own });
    };
    match units::known(unit.get_ref()) {
        Some((ours, conversion)) => {
            Ok(Metric { name: name.into(), unit: Some(ours.into()), conversion: own.then(conversion) })
        }
        None if units::acceptable(unit.get_ref()) => {
            Ok(Metric { name: name.into(), unit: Some(unit.get_ref().as_str().into()), conversion: own })
        }
        None => {
            let message = format!("`{}` cannot be a unit", unit.get_ref().escape_debug());
            Err((unit.span(), Fault { message, hint: "a short printable unit, such as `Cel`".to_owned() }))
        }
    }
}

fn finite(number: Option<&Spanned<f64>>, default: f64) -> Result<f64, Located> {
    let Some(number) = number else { return Ok(default) };
    if number.get_ref().is_finite() {
        return Ok(*number.get_ref());
    }
    let message = format!("{} is not a finite number", number.get_ref());
    Err((number.span(), Fault { message, hint: "a number such as 0.1".to_owned() }))
}

/// The parser's message, and for a misspelt key the nearest right one.
fn explain(message: &str) -> Fault {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let hint =
        match (message.starts_with("unknown field") || message.starts_with("unknown variant"), quoted.next())
        {
            (true, Some(wrong)) => quoted
                .map(|right| (distance(wrong, right), right))
                .min()
                .map_or_else(String::new, |(_, right)| format!("`{right}`")),
            _ => String::new(),
        };
    Fault { message: message.to_owned(), hint }
}

/// Edit distance, for short names.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(METRIC_BYTES).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, a) in from.chars().take(METRIC_BYTES).enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        let mut next = vec![left];
        for (b, up) in to.iter().zip(row.iter().skip(1)) {
            let step = if a == *b { diagonal } else { 1 + diagonal.min(left).min(*up) };
            diagonal = *up;
            left = step;
            next.push(step);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Line and column, from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (u32, u32) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
