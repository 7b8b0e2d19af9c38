//! Names of values in JSON, nested ones too: `temperature`, `ENERGY.Power`, `/ENERGY/Power`.
//!
//! A text that begins with `/` is a JSON Pointer (RFC 6901): each part is taken as it stands, so that a key with a dot
//! in it is `/a.b`. In any other text dots part the levels. Not decoding. Invariant: the key of a value at the top
//! never equals that of a nested one, so that a payload cannot pass one off as the other.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::PATH_LEVELS;
use crate::pattern::Fault;

/// Where a value stands: one key or index for each level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    levels: Vec<String>,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let levels: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescape).collect::<Result<_, _>>()?,
            None => text.split('.').map(str::to_owned).collect(),
        };
        if !text.starts_with('/') && levels.iter().any(String::is_empty) {
            let message = format!("`{}` has an empty part", text.escape_debug());
            let hint =
                format!("`{}` names a key that is written so, `A.B` the key B inside of A", pointer(&[text]));
            return Err(Fault { message, hint });
        }
        if levels.len() > PATH_LEVELS {
            let message = format!("`{}` goes deeper than {PATH_LEVELS} levels", text.escape_debug());
            return Err(Fault { message, hint: "fewer levels".to_owned() });
        }
        Ok(Self { levels })
    }

    pub(crate) fn is_nested(&self) -> bool {
        self.levels.len() > 1
    }

    /// By what the value is found among the fields of a document.
    pub(crate) fn key(&self) -> String {
        match self.levels.as_slice() {
            [key] if !key.starts_with('/') => key.clone(),
            levels => pointer(levels),
        }
    }

    /// What its metric is called when the profile does not say it.
    pub(crate) fn name(&self) -> String {
        self.levels.join(".")
    }
}

/// The key of a field at the top of a document: itself, but for one that looks like a pointer.
pub(crate) fn top(key: &str) -> Option<String> {
    key.starts_with('/').then(|| pointer(&[key]))
}

fn pointer<T: AsRef<str>>(levels: &[T]) -> String {
    levels.iter().map(|level| format!("/{}", level.as_ref().replace('~', "~0").replace('/', "~1"))).collect()
}

fn unescape(level: &str) -> Result<String, Fault> {
    let mut parts = level.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => {
                let message = format!("`{}` has a `~` that says nothing", level.escape_debug());
                return Err(Fault { message, hint: "`~0` for ~ and `~1` for / in a key".to_owned() });
            }
        };
        text.push(sign);
        text.push_str(rest);
    }
    Ok(text)
}

/// The nested values that a profile names, level by level.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    children: HashMap<String, Node>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    /// Set when the value here is wanted: its key.
    pub(crate) key: Option<Arc<str>>,
    /// What is wanted inside of it.
    pub(crate) below: Tree,
}

impl Tree {
    pub(crate) fn insert(&mut self, path: &Path) {
        let Some((last, above)) = path.levels.split_last() else { return };
        let tree =
            above.iter().fold(self, |tree, level| &mut tree.children.entry(level.clone()).or_default().below);
        tree.children.entry(last.clone()).or_default().key = Some(path.key().into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    pub(crate) fn get(&self, level: &str) -> Option<&Node> {
        self.children.get(level)
    }
}
