//! Files of the PKI: written whole or not at all, keys readable by the owner alone.
//!
//! Knows nothing of what is in them. Invariant: after a power cut a file is the old one or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::PkiError;
use crate::limits::FILE_BYTES;

/// Mode of keys.
pub(crate) const SECRET: u32 = 0o600;
/// Mode of certificates.
pub(crate) const PUBLIC: u32 = 0o644;

fn fault<'a>(doing: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> PkiError + 'a {
    move |source| PkiError::Io { doing, path: path.to_owned(), source }
}

/// Makes the folder of the keys, or takes away what others may do in it.
pub(crate) fn secret_folder(path: &Path) -> Result<(), PkiError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault("making the folder", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(fault("protecting the folder", path))
}

/// Writes a file by way of a temporary one beside it, synced before and after the renaming.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PkiError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = folder.join(name);
    // Left over from a power cut.
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(fault("removing", &temporary)(error));
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(fault("making", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fault("writing", &temporary))?;
    fs::rename(&temporary, path).map_err(fault("replacing", path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault("syncing the folder", folder))
}

/// Reads a text file; `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, PkiError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault("reading", path)(error)),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES).read_to_string(&mut text).map_err(fault("reading", path))?;
    Ok(Some(text))
}

/// As [`read`], and takes away what others may do with the file.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Zeroizing<String>>, PkiError> {
    let text = read(path)?;
    if text.is_some() {
        let mode = fs::metadata(path).map_err(fault("looking at", path))?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "a key could be read by others; that was taken away. If others use this machine, make a new key");
            fs::set_permissions(path, Permissions::from_mode(SECRET)).map_err(fault("protecting", path))?;
        }
    }
    Ok(text)
}
