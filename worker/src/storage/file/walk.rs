//! Lists files in the order of their keys' bytes, as S3 does.

use std::{cmp::Ordering, io, path::Path};

use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use walkdir::{DirEntry, WalkDir};

use super::{Entry, ErrorKind, Fault, FileStore, StorageError, regular};

const OPERATION: &str = "list";

/// Files whose keys begin with `prefix` and come after `start_after`. Links to files are followed, except out of the
/// root; what is neither file nor folder is left out, and what has a name that is not UTF-8: a key is text.
pub(super) fn list(
    store: FileStore,
    prefix: String,
    start_after: Option<String>,
) -> impl Stream<Item = Result<Entry, StorageError>> + Send {
    let (sender, receiver) = mpsc::channel(256);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = walk(&store, &prefix, start_after.as_deref(), &sender) {
            let _ = sender.blocking_send(Err(error));
        }
    });
    stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|entry| (entry, receiver))
    })
    .fuse()
}

fn walk(
    store: &FileStore,
    prefix: &str,
    start_after: Option<&str>,
    sender: &mpsc::Sender<Result<Entry, StorageError>>,
) -> Result<(), StorageError> {
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let root = store
        .root
        .canonicalize()
        .map_err(|error| Fault::Io(error).into_error(OPERATION, store.uri("")))?;
    let start = store.root.join(folder);
    if !folder.is_empty() && !start.exists() {
        return Ok(());
    }
    let walk = WalkDir::new(&start).follow_links(true).sort_by(by_key).into_iter();
    for entry in walk.filter_entry(|entry| leads_inside(entry, &root)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if is_dangling(&error) => continue,
            Err(error) => {
                let path = error.path().unwrap_or(&start).display().to_string();
                let error = error
                    .into_io_error()
                    .unwrap_or_else(|| io::Error::other("a link leads to its own folder"));
                if error.kind() == io::ErrorKind::PermissionDenied {
                    return Err(StorageError::invalid(OPERATION, format!("file://{path}"), error));
                }
                return Err(Fault::Io(error).into_error(OPERATION, store.uri(prefix)));
            }
        };
        let Some(key) = key(&store.root, entry.path()) else {
            continue;
        };
        if !key.starts_with(prefix) || start_after.is_some_and(|after| key.as_str() <= after) {
            continue;
        }
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if is_dangling(&error) => continue,
            Err(error) => {
                return Err(StorageError::new(OPERATION, store.uri(&key), ErrorKind::Transient).with_source(error));
            }
        };
        let Ok((size, etag)) = regular(&metadata) else { continue };
        if sender.blocking_send(Ok(Entry { key, size, etag })).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Orders a folder's entries so that their keys ascend: a folder's name counts with its slash.
fn by_key(a: &DirEntry, b: &DirEntry) -> Ordering {
    fn name(entry: &DirEntry) -> impl Iterator<Item = u8> + '_ {
        let slash = entry.file_type().is_dir().then_some(b'/');
        entry.file_name().as_encoded_bytes().iter().copied().chain(slash)
    }
    name(a).cmp(name(b))
}

fn leads_inside(entry: &DirEntry, root: &Path) -> bool {
    if !entry.path_is_symlink() || entry.depth() == 0 {
        return true;
    }
    let inside = entry.path().canonicalize().is_ok_and(|target| target.starts_with(root));
    if !inside {
        tracing::warn!(path = %entry.path().display(), "left out: a symbolic link that leads out of the location");
    }
    inside
}

/// Whether an entry vanished while it was looked at, or is a link to nothing or in a circle.
fn is_dangling(error: &walkdir::Error) -> bool {
    error.depth() > 0
        && (error.loop_ancestor().is_some() || error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound))
}

fn key(root: &Path, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root).ok()?;
    let Some(key) = relative.to_str() else {
        tracing::warn!(path = %path.display(), "left out: its name is not UTF-8");
        return None;
    };
    (!key.is_empty()).then(|| key.to_owned())
}
