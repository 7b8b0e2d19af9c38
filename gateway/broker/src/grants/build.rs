//! Rules to tries, before they are compiled.
//!
//! Not the questions. Invariant: the same rules in any order compile to the same table.

use std::collections::{BTreeMap, HashMap};

use super::trie::{Node, Tries};
use super::{ALLOW, ANY_DOLLAR, DENY};

const ROOT: usize = 0;

/// A trie that rules are added to.
#[derive(Debug)]
pub(super) struct Draft {
    nodes: Vec<DraftNode>,
}

#[derive(Debug, Default)]
struct DraftNode {
    children: BTreeMap<Box<str>, usize>,
    plus: Option<usize>,
    /// At the root: where rules for every level that begins with `$` go on.
    dollar: Option<usize>,
    here: u8,
    rest: u8,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { nodes: vec![DraftNode::default()] }
    }

    pub(super) fn add(&mut self, filter: &str, rule: u8) {
        let mut at = ROOT;
        for level in filter.split('/') {
            if level == "#" {
                if let Some(node) = self.nodes.get_mut(at) {
                    node.rest |= rule;
                }
                return;
            }
            at = self.child(at, level);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.here |= rule;
        }
    }

    fn child(&mut self, at: usize, level: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let place = if level == "+" {
            node.plus.get_or_insert(next)
        } else if at == ROOT && level == ANY_DOLLAR {
            node.dollar.get_or_insert(next)
        } else {
            node.children.entry(level.into()).or_insert(next)
        };
        let found = *place;
        if found == next {
            self.nodes.push(DraftNode::default());
        }
        found
    }
}

/// Puts the tries into one table, the roots in front.
pub(super) fn compile(drafts: [Draft; 3]) -> Tries {
    let mut nodes = vec![Node::default(); drafts.len()];
    let mut texts = Texts::default();
    let mut open: Vec<(usize, &Draft, usize)> =
        drafts.iter().enumerate().map(|(root, draft)| (root, draft, ROOT)).collect();
    while let Some((at, draft, from)) = open.pop() {
        let Some(source) = draft.nodes.get(from) else { continue };
        let first = nodes.len();
        for (level, child) in &source.children {
            // A longer level is in no topic.
            let Some(level) = texts.place(level) else { continue };
            open.push((nodes.len(), draft, *child));
            nodes.push(Node { level, ..Node::default() });
        }
        let mut rest_and_wild = source.rest & (ALLOW | DENY);
        for (wild, child) in [(Node::DOLLAR, source.dollar), (Node::PLUS, source.plus)] {
            if let Some(child) = child {
                rest_and_wild |= wild;
                open.push((nodes.len(), draft, child));
                nodes.push(Node::default());
            }
        }
        let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let children = (place(first), place(nodes.len() - first));
        if let Some(node) = nodes.get_mut(at) {
            *node = Node { here: source.here, rest_and_wild, children, ..*node };
        }
    }
    Tries { nodes: nodes.into(), levels: texts.all.into() }
}

/// The texts of all levels, each once.
#[derive(Default)]
struct Texts<'a> {
    all: String,
    known: HashMap<&'a str, (u32, u16)>,
}

impl<'a> Texts<'a> {
    fn place(&mut self, level: &'a str) -> Option<(u32, u16)> {
        if let Some(known) = self.known.get(level) {
            return Some(*known);
        }
        let place = (u32::try_from(self.all.len()).ok()?, u16::try_from(level.len()).ok()?);
        self.all.push_str(level);
        self.known.insert(level, place);
        Some(place)
    }
}
