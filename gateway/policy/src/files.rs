//! The text of a set of policies: the shipped one, or a folder that replaces it as a whole.
//!
//! Reads and bounds; understands nothing. Invariant: the schema and the topic spaces always exist, because the
//! shipped ones stand in for files that a folder does not have.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::PolicyError;
use crate::limits::{FILE_BYTES, FILES};

/// Name of the schema in the folder.
pub(crate) const SCHEMA_FILE: &str = "sitewarden.cedarschema";
/// Name of the topic spaces in the folder.
pub(crate) const SPACES_FILE: &str = "topic-spaces.toml";

const SHIPPED_SCHEMA: &str = include_str!("../../../config/policies/sitewarden.cedarschema");
const SHIPPED_SPACES: &str = include_str!("../../../config/policies/topic-spaces.toml");
const SHIPPED_POLICIES: &str = include_str!("../../../config/policies/default.cedar");

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The text of one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) schema: File,
    pub(crate) spaces: File,
    /// In order of their names.
    pub(crate) policies: Vec<File>,
}

impl Files {
    /// What ships.
    pub(crate) fn shipped() -> Self {
        Self {
            schema: File { name: SCHEMA_FILE.to_owned(), text: SHIPPED_SCHEMA.to_owned() },
            spaces: File { name: SPACES_FILE.to_owned(), text: SHIPPED_SPACES.to_owned() },
            policies: vec![File { name: "default.cedar".to_owned(), text: SHIPPED_POLICIES.to_owned() }],
        }
    }

    /// Reads a folder.
    pub(crate) fn read(dir: &Path) -> Result<Self, PolicyError> {
        let fault = |source| PolicyError::Read { path: dir.to_owned(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).map_err(fault)? {
            let name = entry.map_err(fault)?.file_name();
            // Editors leave hidden files beside; a name that is not UTF-8 is not one of ours.
            if let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        let mut files = Self { policies: Vec::new(), ..Self::shipped() };
        let cedar: Vec<&String> = names.iter().filter(|name| name.ends_with(".cedar")).collect();
        if cedar.is_empty() {
            return Err(PolicyError::Empty { path: dir.to_owned() });
        }
        if cedar.len() > FILES {
            return Err(PolicyError::TooMuch {
                file: dir.display().to_string(),
                what: "policy files",
                found: cedar.len() as u64,
                most: FILES as u64,
            });
        }
        for name in cedar {
            files.policies.push(read_file(dir, name)?);
        }
        if names.iter().any(|name| name == SCHEMA_FILE) {
            files.schema = read_file(dir, SCHEMA_FILE)?;
        }
        if names.iter().any(|name| name == SPACES_FILE) {
            files.spaces = read_file(dir, SPACES_FILE)?;
        }
        Ok(files)
    }

    /// SHA-256 over all names and texts, to see whether anything changed and to record what was loaded.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for file in [&self.schema, &self.spaces].into_iter().chain(&self.policies) {
            for part in [&file.name, &file.text] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            text.push_str(&format!("{byte:02x}"));
            text
        })
    }
}

fn read_file(dir: &Path, name: &str) -> Result<File, PolicyError> {
    let path = dir.join(name);
    let fault = |source| PolicyError::Read { path: path.clone(), source };
    let mut text = String::new();
    let file = fs::File::open(&path).map_err(fault)?;
    // One byte more than allowed tells a file that is too large, even one that grows meanwhile.
    file.take(FILE_BYTES + 1).read_to_string(&mut text).map_err(fault)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(PolicyError::TooMuch {
            file: name.to_owned(),
            what: "bytes",
            found: text.len() as u64,
            most: FILE_BYTES,
        });
    }
    Ok(File { name: name.to_owned(), text })
}
