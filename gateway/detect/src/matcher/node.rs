//! Conditions of all rules as one graph: equal parts are one node, whichever rule they stand in.
//!
//! Not the judgement of comparisons. Invariant: children come before their parents, so that the graph has no circle,
//! and the order of children is by cost alone, which no answer depends on.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;

use crate::rule::atom::Logic;

/// A part of a condition; numbers are those of other nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// A shared comparison.
    Atom(u32),
    All(Box<[u32]>),
    Any(Box<[u32]>),
    AtLeast(usize, Box<[u32]>),
    Not(u32),
    /// Any of comparisons that tables find.
    Found(Box<Found>),
}

/// A list of comparisons of which one has to hold; each of them notes a hit with the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Found {
    pub(crate) atoms: Box<[u32]>,
    /// The fields and which of their tables find them.
    pub(crate) tables: Box<[(u32, u8)]>,
    /// What the tables find holds.
    pub(crate) decided: bool,
}

/// What a comparison costs at most that tables find.
pub(crate) const FOUND: u32 = 5;

/// All nodes of a program.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    list: Vec<Node>,
    costs: Vec<u32>,
    ids: HashMap<Node, u32>,
}

impl Nodes {
    pub(crate) fn get(&self, id: u32) -> Option<&Node> {
        self.list.get(id as usize)
    }

    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    /// The node for a logic over shared atoms; `cost` says how dear an atom is.
    pub(crate) fn add(&mut self, logic: &Logic, cost: &impl Fn(usize) -> u32) -> u32 {
        match logic {
            Logic::Atom(index) => {
                let own = cost(*index);
                self.intern(Node::Atom(u32::try_from(*index).unwrap_or(u32::MAX)), own)
            }
            Logic::Not(inner) => {
                let inner = self.add(inner, cost);
                let own = self.cost(inner);
                self.intern(Node::Not(inner), own)
            }
            Logic::All(parts) => {
                let (mut children, own) = self.children(parts, cost);
                children.dedup();
                self.intern(Node::All(children.into()), own)
            }
            Logic::Any(parts) => {
                let (mut children, mut own) = self.children(parts, cost);
                children.dedup();
                let found =
                    |id: &u32| matches!(self.get(*id), Some(Node::Atom(_))) && self.cost(*id) <= FOUND;
                if children.iter().all(found) {
                    own = FOUND + 1;
                }
                self.intern(Node::Any(children.into()), own)
            }
            Logic::AtLeast(count, parts) => {
                let (children, own) = self.children(parts, cost);
                self.intern(Node::AtLeast(*count, children.into()), own)
            }
        }
    }

    /// The children, the cheapest first.
    fn children(&mut self, parts: &[Logic], cost: &impl Fn(usize) -> u32) -> (Vec<u32>, u32) {
        let mut children: Vec<u32> = parts.iter().map(|part| self.add(part, cost)).collect();
        children.sort_by_key(|id| (self.cost(*id), *id));
        let sum = children.iter().fold(1_u32, |sum, id| sum.saturating_add(self.cost(*id)));
        (children, sum)
    }

    fn cost(&self, id: u32) -> u32 {
        self.costs.get(id as usize).copied().unwrap_or(0)
    }

    fn intern(&mut self, node: Node, cost: u32) -> u32 {
        if let Some(id) = self.ids.get(&node) {
            return *id;
        }
        let id = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(node.clone());
        self.costs.push(cost);
        self.ids.insert(node, id);
        id
    }

    /// Turns lists of comparisons that tables find into [`Node::Found`], and gives back what only building needed.
    /// `table` gives the field of a comparison, its table and whether that decides. Gives the lists by comparison.
    pub(crate) fn finish(
        &mut self,
        atoms: usize,
        table: &impl Fn(u32) -> Option<(u32, u8, bool)>,
    ) -> Vec<Box<[u32]>> {
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); atoms];
        for id in 0..self.list.len() {
            let Some(found) = self.list.get(id).and_then(|node| self.as_found(node, table)) else { continue };
            for atom in &found.atoms {
                if let Some(lists) = lists.get_mut(*atom as usize) {
                    lists.push(u32::try_from(id).unwrap_or(u32::MAX));
                }
            }
            if let Some(node) = self.list.get_mut(id) {
                *node = Node::Found(Box::new(found));
            }
        }
        self.ids = HashMap::new();
        lists.into_iter().map(Vec::into_boxed_slice).collect()
    }

    fn as_found(&self, node: &Node, table: &impl Fn(u32) -> Option<(u32, u8, bool)>) -> Option<Found> {
        let Node::Any(children) = node else { return None };
        let mut found = Found { atoms: Box::default(), tables: Box::default(), decided: true };
        let (mut atoms, mut tables) = (Vec::new(), std::collections::BTreeMap::new());
        for child in children {
            let Some(Node::Atom(atom)) = self.get(*child) else { return None };
            let (field, table, decided) = table(*atom)?;
            atoms.push(*atom);
            *tables.entry(field).or_insert(0) |= table;
            found.decided &= decided;
        }
        found.atoms = atoms.into();
        found.tables = tables.into_iter().collect();
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_are_one_node_and_cheap_ones_come_first() {
        let mut nodes = Nodes::default();
        let any = Logic::Any(vec![Logic::Atom(3), Logic::Atom(1)]);
        let cost = |index: usize| u32::try_from(index).unwrap();
        let first = nodes.add(&Logic::All(vec![any.clone(), Logic::Atom(2)]), &cost);
        let count = nodes.len();
        let again = nodes.add(&Logic::All(vec![Logic::Atom(2), any]), &cost);
        assert_eq!((first, nodes.len()), (again, count));
        let Some(Node::All(children)) = nodes.get(first) else { panic!("a conjunction") };
        assert_eq!(children.first().and_then(|id| nodes.get(*id)), Some(&Node::Atom(2)));
    }
}
