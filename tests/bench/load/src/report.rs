//! Figures: one JSON line each, and the page for people.
//!
//! The newest figure of each lane and peer is kept in `tests/bench/results.jsonl`; `RESULTS.md` is made
//! from it, so that running one lane leaves the others as they were.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::{Failure, Setup, stats};

/// One figure against one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    pub lane: String,
    pub ours: f64,
    pub peer: String,
    pub theirs: f64,
    pub unit: String,
    /// Median of the pairs' ratios, ours to theirs.
    pub ratio: f64,
    /// Smallest and largest ratio of a pair.
    pub range: [f64; 2],
    /// What the ratio must reach: at least when `higher`, else at most. None: stated only.
    pub goal: Option<f64>,
    pub higher: bool,
    /// An absolute bound on our own figure, where the goal is no ratio.
    #[serde(default)]
    pub limit: Option<f64>,
    /// Pairs measured.
    pub pairs: usize,
    /// What a reader must know: generator-bound, losses, fsync.
    pub note: String,
    #[serde(default)]
    pub commit: String,
    #[serde(default)]
    pub machine: String,
}

impl Figure {
    /// The peer of a figure that is only stated: no ratio is shown for it.
    pub const NO_PEER: &str = "none";

    /// From the pairs of one lane.
    pub fn of_pairs(
        lane: &str,
        peer: &str,
        unit: &str,
        pairs: &[(f64, f64)],
        goal: Option<f64>,
        higher: bool,
    ) -> Self {
        let ratios: Vec<f64> = pairs.iter().map(|(ours, theirs)| ours / theirs).collect();
        let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        Self {
            lane: lane.to_owned(),
            ours: stats::median(&ours),
            peer: peer.to_owned(),
            theirs: stats::median(&theirs),
            unit: unit.to_owned(),
            ratio: stats::median(&ratios),
            range: stats::range(&ratios),
            goal,
            higher,
            limit: None,
            pairs: pairs.len(),
            note: String::new(),
            commit: String::new(),
            machine: String::new(),
        }
    }

    /// With an absolute bound in place of a ratio.
    pub fn with_limit(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    fn verdict(&self) -> &'static str {
        match self.goal {
            None => match self.limit {
                None => "",
                Some(limit) if self.ours <= limit => "yes",
                Some(_) => "no",
            },
            Some(goal) if self.higher && self.ratio >= goal || !self.higher && self.ratio <= goal => "yes",
            Some(_) => "no",
        }
    }
}

/// Takes a lane's figures from standard input; nothing is written when there are none.
pub fn record(setup: &Setup, lane: &str) -> Result<(), Failure> {
    let mut figures: Vec<Figure> = Vec::new();
    for line in std::io::stdin().lines() {
        figures.push(serde_json::from_str(&line?)?);
    }
    if figures.is_empty() {
        return Err(format!("no figure of {lane} was measured").into());
    }
    for figure in &figures {
        println!("{}", serde_json::to_string(figure)?);
    }
    write(setup, lane, &figures)
}

/// Puts the figures of one lane in place of its older ones and writes the page again.
pub fn write(setup: &Setup, lane: &str, figures: &[Figure]) -> Result<(), Failure> {
    let folder = setup.root.join("tests/bench");
    let store = folder.join("results.jsonl");
    let mut all: BTreeMap<(String, String), Figure> = BTreeMap::new();
    for line in fs::read_to_string(&store).unwrap_or_default().lines() {
        let figure: Figure = serde_json::from_str(line)?;
        if figure.lane != lane && !figure.lane.starts_with(&format!("{lane}.")) {
            all.insert((figure.lane.clone(), figure.peer.clone()), figure);
        }
    }
    let (commit, machine) = (commit(setup), machine());
    for figure in figures {
        let figure = Figure { commit: commit.clone(), machine: machine.clone(), ..figure.clone() };
        all.insert((figure.lane.clone(), figure.peer.clone()), figure);
    }
    let mut lines = String::new();
    for figure in all.values() {
        writeln!(lines, "{}", serde_json::to_string(figure)?)?;
    }
    fs::write(store, lines)?;
    let profile = fs::read_to_string(folder.join("profile.md")).unwrap_or_default();
    fs::write(folder.join("RESULTS.md"), page(&all)? + &profile)?;
    Ok(())
}

fn page(all: &BTreeMap<(String, String), Figure>) -> Result<String, Failure> {
    let mut page = String::from(
        "# Figures\n\nMade by `make bench LANE=name`; do not edit. Each figure is the median of the pairs' ratios, \
         ours to the peer's,\nboth measured in the same run on the same machine, alternating. Absolute numbers only \
         orient.\n\n| lane | ours | peer | theirs | unit | ratio | range | goal | reached | commit |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for figure in all.values() {
        let goal = match (figure.goal, figure.limit) {
            (Some(goal), _) => format!("{} {}", if figure.higher { ">=" } else { "<=" }, number(goal)),
            (None, Some(limit)) => format!("ours <= {} {}", number(limit), figure.unit),
            (None, None) => String::new(),
        };
        if figure.peer == Figure::NO_PEER {
            let (ours, commit) = (number(figure.ours), &figure.commit);
            writeln!(page, "| {} | {ours} | | | {} | | | | | {commit} |", figure.lane, figure.unit)?;
            continue;
        }
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} to {} | {goal} | {} | {} |",
            figure.lane,
            number(figure.ours),
            figure.peer,
            number(figure.theirs),
            figure.unit,
            number(figure.ratio),
            number(figure.range[0]),
            number(figure.range[1]),
            figure.verdict(),
            figure.commit,
        )?;
    }
    page.push_str("\n## Notes\n\n");
    for figure in all.values().filter(|figure| !figure.note.is_empty()) {
        writeln!(page, "- {} against {}: {}", figure.lane, figure.peer, figure.note)?;
    }
    let machines: std::collections::BTreeSet<_> = all.values().map(|figure| &figure.machine).collect();
    page.push_str("\n## Machine\n\n");
    for machine in machines {
        writeln!(page, "- {machine}")?;
    }
    Ok(page)
}

/// Three significant digits, no exponent.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn commit(setup: &Setup) -> String {
    let git = |arguments: &[&str]| {
        Command::new("git").arg("-C").arg(&setup.root).args(arguments).output().map(|output| output.stdout)
    };
    git(&["rev-parse", "--short", "HEAD"])
        .map_or_else(|_| "unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown CPU");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
