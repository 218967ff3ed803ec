//! Sidecars: the metadata of files, one small JSON file for each.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{OWN, Temporary};
use crate::digest::sha256_hex;

/// Metadata of one file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sidecar {
    pub(super) key: String,
    pub(super) etag: String,
    pub(super) content_type: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// The metadata that the file of this key and entity tag was put with.
pub(super) fn read(root: &Path, key: &str, etag: &str) -> io::Result<Option<Sidecar>> {
    match fs::read(path(root, key, etag)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file's metadata, whole or not at all.
pub(super) fn write(root: &Path, sidecar: &Sidecar) -> io::Result<()> {
    let path = path(root, &sidecar.key, &sidecar.etag);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = Temporary::create(&root.join(OWN).join("tmp"), &serde_json::to_vec(sidecar)?)?;
    fs::rename(&temporary.path, &path)
}

/// Removes the metadata of a file that is no more. One left behind is never read.
pub(super) fn remove(root: &Path, key: &str, etag: &str) {
    let _ = fs::remove_file(path(root, key, etag));
}

fn path(root: &Path, key: &str, etag: &str) -> PathBuf {
    let name = &sha256_hex(key.as_bytes())[..32];
    root.join(OWN)
        .join("index")
        .join(&name[..2])
        .join(format!("{name}.{etag}.json"))
}
