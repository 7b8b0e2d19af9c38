//! From a YAML document to a rule.
//!
//! Sigma rules specification, "Components". Unknown keys are custom fields and are left alone, as the
//! specification allows. Invariant: every fault has a place and says what would be right.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use sitewarden_core::{LogSource, Severity};

use super::correlation::{self, Kind};
use super::edge;
use super::filter::Filter;
use super::lower::Lowering;
use super::raw::RawDetection;
use super::{Body, Rule, tests_section};
use crate::error::Fault;
use crate::pipeline::{Pipelines, Subject};
use crate::yaml::{Document, Node};

/// Where a document stands: its file and its number in it, from 1.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) file: Arc<str>,
    pub(crate) number: usize,
}

/// Reads a detection rule, with the filters that apply to it.
pub(crate) fn detection_rule(
    document: &Document,
    mut raw: RawDetection,
    origin: &Origin,
    pipelines: &Pipelines,
    filters: &[Filter],
) -> Result<Rule, Fault> {
    let root = &document.root;
    let mut rule = header(document, origin)?;
    let Some(source) = root.get("logsource") else {
        return Err(root.fault("the rule has no `logsource`", "add `logsource: {product: .., category: ..}`"));
    };
    rule.logsource = logsource(source)?;
    let tags = texts(root.get("tags"));
    let applied =
        pipelines.apply(&mut Subject { raw: &mut raw, source: &mut rule.logsource, tags: &tags })?;
    rule.fingerprint ^= fingerprint(&pipelines.source);
    let placeholders = &pipelines.placeholders;
    let mut lowering = Lowering::new(placeholders);
    let mut detection = raw.lower(&mut lowering)?;
    let names = [Some(&*rule.id), rule.name.as_deref(), Some(&*rule.title)];
    for filter in filters.iter().filter(|filter| filter.applies(names, &rule.logsource)) {
        filter.apply(&mut detection, placeholders)?;
        rule.fingerprint = rule.fingerprint.rotate_left(1) ^ fingerprint(&filter.source);
    }
    if let Some(node) = root.get("x-edge") {
        lowering.pipelines = applied;
        rule.edge = Some(edge::read(node, &mut detection, &mut lowering)?);
    }
    rule.body = Body::Detection(detection);
    Ok(rule)
}

/// Reads a correlation rule; what it refers to is resolved by the set.
pub(crate) fn correlation_rule(
    document: &Document,
    section: &Node,
    origin: &Origin,
    pipelines: &Pipelines,
) -> Result<Rule, Fault> {
    let root = &document.root;
    let mut rule = header(document, origin)?;
    let mut correlation = correlation::read(section, root.get("generate"))?;
    let applied = pipelines.for_correlations();
    correlation.rename(&|name| applied.field(name));
    rule.fingerprint ^= fingerprint(&pipelines.source);
    if let Some(node) = root.get("x-edge") {
        let mut edge = edge::read_timer(node)?;
        edge.rename(&|name| applied.field(name));
        let silence = correlation.kind == Kind::EventCount && correlation.condition.fewer_than().is_some();
        if edge.timer && !silence {
            let hint = "write `type: event_count` and `condition: {lt: 1}`";
            return Err(node.fault("`trigger: timer` waits for too few events", hint));
        }
        rule.edge = Some(edge);
    }
    rule.body = Body::Correlation(correlation);
    Ok(rule)
}

/// What all kinds of rules have.
fn header(document: &Document, origin: &Origin) -> Result<Rule, Fault> {
    let root = &document.root;
    let text = |key: &str| root.get(key).and_then(Node::text);
    let Some(title) = text("title").filter(|title| !title.trim().is_empty()) else {
        return Err(root.fault("the rule has no `title`", "add `title: what it detects`"));
    };
    let severity = match root.get("level") {
        None => Severity::Medium,
        Some(node) => node
            .text()
            .and_then(Severity::parse)
            .ok_or_else(|| node.fault("not a level", "write informational, low, medium, high or critical"))?,
    };
    let id = text("id").map_or_else(|| format!("{}#{}", origin.file, origin.number), str::to_owned);
    let tests = root.get("tests").map(tests_section::read).transpose()?.unwrap_or_default();
    Ok(Rule {
        id: Arc::from(id),
        name: text("name").map(Arc::from),
        title: Arc::from(title.trim()),
        description: Arc::from(text("description").unwrap_or_default().trim()),
        severity,
        status: Arc::from(text("status").unwrap_or_default()),
        techniques: techniques(root),
        logsource: LogSource::default(),
        fields: texts(root.get("fields")),
        file: origin.file.clone(),
        line: root.place.line,
        source: Arc::from(document.source.as_str()),
        tests,
        body: Body::Detection(super::Detection {
            atoms: Vec::new(),
            selections: Vec::new(),
            condition: super::Logic::Any(Vec::new()),
        }),
        edge: None,
        fingerprint: fingerprint(&document.source),
    })
}

/// Hash (FNV-1a) of the text: any change of it starts the rule afresh. Stable across builds, since snapshots hold it.
pub(crate) fn fingerprint(source: &str) -> u64 {
    source
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The `logsource` section; the parts are compared without regard to case.
pub(crate) fn logsource(node: &Node) -> Result<LogSource, Fault> {
    const HINT: &str = "write `logsource: {product: .., category: ..}`";
    if node.map().is_none_or(<[_]>::is_empty) {
        return Err(node.fault("`logsource` is not a map with product, category or service", HINT));
    }
    let part = |key: &str| -> Result<Option<Arc<str>>, Fault> {
        let Some(value) = node.get(key) else { return Ok(None) };
        let text = value.text().map(str::trim).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| value.fault(format!("`{key}` is not a word"), HINT))?;
        Ok(Some(Arc::from(text.to_lowercase())))
    };
    Ok(LogSource { product: part("product")?, category: part("category")?, service: part("service")? })
}

/// The texts of a list.
pub(crate) fn texts(node: Option<&Node>) -> Vec<Arc<str>> {
    node.map(|node| node.items().iter().filter_map(Node::text).map(Arc::from).collect()).unwrap_or_default()
}

/// `attack.t1059.001` becomes `T1059.001`.
fn techniques(root: &Node) -> Vec<Arc<str>> {
    texts(root.get("tags"))
        .iter()
        .filter_map(|tag| {
            let technique = tag.to_ascii_lowercase().strip_prefix("attack.t")?.to_owned();
            technique.starts_with(|c: char| c.is_ascii_digit()).then(|| Arc::from(format!("T{technique}")))
        })
        .collect()
}
