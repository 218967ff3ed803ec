//! Objects as files below a folder.
//!
//! A file's entity tag is made of its size, time of change and inode. Metadata lies in a sidecar under
//! `_collodion/index/`, named by key and entity tag, so that it speaks of exactly the bytes it was put with: a file
//! that was replaced by hand has no metadata.

mod index;
mod walk;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;
use futures::Stream;

use super::{Condition, Entry, ErrorKind, Head, Object, Put, StorageError};
use index::Sidecar;

/// Folder below the location that temporary files and the index lie in.
const OWN: &str = "_collodion";

/// The files below a folder.
#[derive(Clone, Debug)]
pub(super) struct FileStore {
    root: PathBuf,
}

impl FileStore {
    pub(super) fn new(path: &Path) -> Result<Self, StorageError> {
        if !path.is_absolute() {
            let why = "write a local folder as file:///absolute/path/";
            return Err(StorageError::invalid("open", format!("file://{}", path.display()), why));
        }
        let root = path.components().collect();
        Ok(Self { root })
    }

    pub(super) fn uri(&self, key: &str) -> String {
        let root = self.root.display().to_string();
        format!("file://{}/{key}", root.trim_end_matches('/'))
    }

    pub(super) fn key_of(&self, other: &Self) -> Option<String> {
        let resolve = |path: &Path| -> PathBuf {
            let existing = path.ancestors().find_map(|a| Some((a, a.canonicalize().ok()?)));
            existing.map_or_else(
                || path.into(),
                |(a, real)| real.join(path.strip_prefix(a).unwrap_or(Path::new(""))),
            )
        };
        let inner = resolve(&other.root)
            .strip_prefix(resolve(&self.root))
            .ok()?
            .to_string_lossy()
            .into_owned();
        Some(if inner.is_empty() { inner } else { inner + "/" })
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> impl Stream<Item = Result<Entry, StorageError>> + Send + use<> {
        walk::list(self.clone(), prefix.to_owned(), start_after.map(str::to_owned))
    }

    pub(super) async fn head(&self, key: &str) -> Result<Head, StorageError> {
        self.blocking("look up", key, |store, key| store.head_now(key)).await
    }

    pub(super) async fn get(&self, key: &str, etag: Option<&str>, max_bytes: u64) -> Result<Object, StorageError> {
        let etag = etag.map(str::to_owned);
        self.blocking("read", key, move |store, key| {
            store.get_now(key, etag.as_deref(), max_bytes)
        })
        .await
    }

    pub(super) async fn put(&self, put: Put) -> Result<String, StorageError> {
        let key = put.key.clone();
        self.blocking("write", &key, move |store, _| store.put_now(&put)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl FnOnce(&Self, &str) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (store, owned) = (self.clone(), key.to_owned());
        let result = tokio::task::spawn_blocking(move || work(&store, &owned)).await;
        let result = result.unwrap_or_else(|panic| Err(Fault::Io(io::Error::other(panic))));
        result.map_err(|fault| fault.into_error(operation, self.uri(key)))
    }

    fn head_now(&self, key: &str) -> Result<Head, Fault> {
        let path = self.path(key)?;
        self.inside(&path)?;
        let (size, etag) = regular(&fs::metadata(&path)?)?;
        let Sidecar {
            content_type, metadata, ..
        } = index::read(&self.root, key, &etag)?.unwrap_or_default();
        Ok(Head {
            size,
            etag,
            content_type,
            metadata,
        })
    }

    fn get_now(&self, key: &str, if_match: Option<&str>, max_bytes: u64) -> Result<Object, Fault> {
        let path = self.path(key)?;
        self.inside(&path)?;
        let mut file = File::open(&path)?;
        let (size, etag) = regular(&file.metadata()?)?;
        if if_match.is_some_and(|wanted| wanted != etag) {
            return Err(Fault::Kind(ErrorKind::PreconditionFailed));
        }
        if size > max_bytes {
            return Err(Fault::Kind(ErrorKind::TooLarge));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(io::Error::other)?);
        (&mut file).take(size + 1).read_to_end(&mut bytes)?;
        let (_, after) = regular(&file.metadata()?)?;
        if after != etag || bytes.len() as u64 != size {
            return Err(Fault::Kind(ErrorKind::PreconditionFailed));
        }
        Ok(Object {
            bytes: Bytes::from(bytes),
            etag,
        })
    }

    /// The bytes go to a temporary file first; its inode and time of change, and so its entity tag, survive the
    /// rename that publishes it. The sidecar is there before, so no object is ever seen without its metadata.
    fn put_now(&self, put: &Put) -> Result<String, Fault> {
        let Put {
            key,
            bytes,
            content_type,
            metadata,
            condition,
        } = put;
        let path = self.path(key)?;
        let folder = path.parent().ok_or(Fault::Key("it names no file"))?;
        fs::create_dir_all(folder)?;
        self.inside(folder)?;
        let temporary = Temporary::create(&self.root.join(OWN).join("tmp"), bytes)?;
        let (_, etag) = regular(&fs::metadata(&temporary.path)?)?;
        let wants_sidecar = !metadata.is_empty();
        if wants_sidecar {
            index::write(
                &self.root,
                &Sidecar {
                    key: key.clone(),
                    etag: etag.clone(),
                    content_type: Some((*content_type).to_owned()),
                    metadata: metadata.clone(),
                },
            )?;
        }
        let published = self.publish(&temporary, &path, condition);
        match &published {
            Ok(Some(replaced)) => index::remove(&self.root, key, replaced),
            Err(_) if wants_sidecar => index::remove(&self.root, key, &etag),
            _ => {}
        }
        published?;
        File::open(folder)?.sync_all()?;
        Ok(etag)
    }

    /// Moves a finished file to its place and answers the entity tag of what it replaced. Replacing is serialised by
    /// a lock on the folder: POSIX can't compare and swap files.
    fn publish(&self, temporary: &Temporary, path: &Path, condition: &Condition) -> Result<Option<String>, Fault> {
        if *condition == Condition::IfAbsent {
            match fs::hard_link(&temporary.path, path) {
                Ok(()) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(Fault::Kind(ErrorKind::PreconditionFailed));
                }
                // FAT and its like have no links: there, nobody creates anything but under the lock.
                Err(error) if has_no_links(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let lock = File::create(self.root.join(OWN).join("lock"))?;
        lock.lock()?;
        let present = match fs::metadata(path) {
            Ok(metadata) => Some(regular(&metadata)?.1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        match condition {
            Condition::IfMatch(wanted) if present.as_ref() != Some(wanted) => {
                Err(Fault::Kind(ErrorKind::PreconditionFailed))
            }
            Condition::IfAbsent if present.is_some() => Err(Fault::Kind(ErrorKind::PreconditionFailed)),
            _ => {
                fs::rename(&temporary.path, path)?;
                Ok(present)
            }
        }
    }

    /// The path of a key. Keys that a path would read differently are refused.
    fn path(&self, key: &str) -> Result<PathBuf, Fault> {
        let relative = Path::new(key);
        let mut components = relative.components();
        let plain = components.all(|component| matches!(component, Component::Normal(_)));
        let canonical = !key.is_empty() && !key.ends_with('/') && !key.contains("//") && !key.contains("/./");
        if key.contains('\0') || !plain || !canonical {
            return Err(Fault::Key(
                "a file can't have this name: '..', '.', empty parts and NUL are not allowed",
            ));
        }
        Ok(self.root.join(relative))
    }

    /// Refuses what a symbolic link leads out of the location.
    fn inside(&self, path: &Path) -> Result<(), Fault> {
        if path.canonicalize()?.starts_with(self.root.canonicalize()?) {
            Ok(())
        } else {
            Err(Fault::Key("a symbolic link leads out of the location"))
        }
    }
}

/// Whether a file system answers so because it has no hard links: EPERM, as link(2) says, or "unsupported".
fn has_no_links(error: &io::Error) -> bool {
    const EPERM: i32 = 1;
    error.raw_os_error() == Some(EPERM) || error.kind() == io::ErrorKind::Unsupported
}

/// Whether reading fails for this file, whatever is done about the others: EIO is a bad sector.
fn is_unreadable(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO) || error.kind() == io::ErrorKind::PermissionDenied
}

/// Size and entity tag of a regular file.
fn regular(metadata: &fs::Metadata) -> Result<(u64, String), Fault> {
    if !metadata.is_file() {
        return Err(Fault::Key("it is no regular file"));
    }
    let modified = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Ok((
        metadata.len(),
        format!("{:x}-{modified:x}-{:x}", metadata.len(), metadata.ino()),
    ))
}

/// A finished file that nobody sees yet; removed when dropped.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn create(folder: &Path, bytes: &[u8]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let temporary = Self {
            path: folder.join(uuid::Uuid::new_v4().to_string()),
        };
        let mut file = File::create_new(&temporary.path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A failure before it is known what was tried with which object.
enum Fault {
    Kind(ErrorKind),
    Key(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    fn into_error(self, operation: &'static str, uri: String) -> StorageError {
        match self {
            Self::Kind(kind) => StorageError::new(operation, uri, kind),
            Self::Key(why) => StorageError::invalid(operation, uri, why),
            Self::Io(error) => {
                let kind = match error.kind() {
                    _ if operation == "read" && is_unreadable(&error) => ErrorKind::Invalid,
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
                    io::ErrorKind::InvalidFilename | io::ErrorKind::IsADirectory => ErrorKind::Invalid,
                    _ => ErrorKind::Transient,
                };
                StorageError::new(operation, uri, kind).with_source(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
