//! Objects by key under one location, on a local disk or in S3, behind one small interface.
//!
//! A key is relative to the location. Whatever is put appears whole or not at all, with its metadata.

mod error;
mod file;
mod retry;
mod s3;

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use collodion_crds::{Location, Storage};
use futures::{FutureExt, Stream, StreamExt, future::Either};

pub use error::{ErrorKind, StorageError};
use file::FileStore;
use s3::S3Store;

/// The objects under one location.
#[derive(Clone, Debug)]
pub struct Store(Backend);

#[derive(Clone, Debug)]
enum Backend {
    File(FileStore),
    S3(S3Store),
}

/// An object as a listing names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Key, relative to the location.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// Entity tag, opaque, without quotes: changes whenever the bytes do.
    pub etag: String,
}

/// What is known of an object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Size in bytes.
    pub size: u64,
    /// Entity tag, opaque, without quotes.
    pub etag: String,
    /// Media type, where the store keeps one.
    pub content_type: Option<String>,
    /// Metadata that it was put with; names are lower case.
    pub metadata: BTreeMap<String, String>,
}

/// An object's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// All of its bytes.
    pub bytes: Bytes,
    /// Entity tag of these very bytes.
    pub etag: String,
}

/// An object to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Key, relative to the location.
    pub key: String,
    /// All of its bytes.
    pub bytes: Bytes,
    /// Media type.
    pub content_type: &'static str,
    /// Metadata: names in lower case, names and values visible ASCII.
    pub metadata: BTreeMap<String, String>,
    /// What has to hold for it to be written.
    pub condition: Condition,
}

/// What has to hold for an object to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: it replaces what is there.
    None,
    /// There is no object of that key.
    IfAbsent,
    /// The object of that key has this entity tag.
    IfMatch(String),
}

// === impl Store ===

impl Store {
    /// The store behind a location.
    ///
    /// With `mounts`, credentials and CA bundles that `storage` names are read from `secrets/NAME/` and
    /// `configmaps/NAME/` below it; without, S3 credentials come from the usual AWS environment.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where location or storage can't be used.
    pub async fn open(
        location: &Location,
        storage: Option<&Storage>,
        mounts: Option<&Path>,
    ) -> Result<Self, StorageError> {
        let uri = location.as_str();
        let backend = match uri.split_once("://") {
            Some(("file", path)) => Backend::File(FileStore::new(Path::new(path))?),
            Some(("s3", path)) => Backend::S3(S3Store::open(path, storage, mounts).boxed().await?),
            _ => {
                return Err(StorageError::invalid(
                    "open",
                    uri,
                    "a location begins with s3:// or file://",
                ));
            }
        };
        Ok(Self(backend))
    }

    /// The URI of a key; of the location itself for the empty key.
    pub fn uri(&self, key: &str) -> String {
        match &self.0 {
            Backend::File(store) => store.uri(key),
            Backend::S3(store) => store.uri(key),
        }
    }

    /// The key of `other`'s location in this one, where it lies inside: empty where both are the same.
    pub fn key_of(&self, other: &Self) -> Option<String> {
        match (&self.0, &other.0) {
            (Backend::File(this), Backend::File(other)) => this.key_of(other),
            (Backend::S3(this), Backend::S3(other)) => this.key_of(other),
            _ => None,
        }
    }

    /// All objects whose keys begin with `prefix`, ascending by the keys' bytes; only those after `start_after`.
    pub fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> impl Stream<Item = Result<Entry, StorageError>> + Send + Unpin + use<> {
        match &self.0 {
            Backend::File(store) => Either::Left(store.list(prefix, start_after).boxed()),
            Backend::S3(store) => Either::Right(store.list(prefix, start_after).boxed()),
        }
    }

    /// What is known of an object without its bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is none.
    pub async fn head(&self, key: &str) -> Result<Head, StorageError> {
        match &self.0 {
            Backend::File(store) => store.head(key).await,
            Backend::S3(store) => store.head(key).boxed().await,
        }
    }

    /// An object's bytes, if there are at most `max_bytes` of them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::TooLarge`], and [`ErrorKind::PreconditionFailed`] where its entity tag
    /// is not `if_match`.
    pub async fn get(&self, key: &str, if_match: Option<&str>, max_bytes: u64) -> Result<Object, StorageError> {
        match &self.0 {
            Backend::File(store) => store.get(key, if_match, max_bytes).await,
            Backend::S3(store) => store.get(key, if_match, max_bytes).boxed().await,
        }
    }

    /// Puts an object and answers its entity tag.
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] where the condition does not hold. As a try whose answer was lost may have
    /// written the object, the one in the way can be this very one: a look at it decides.
    pub async fn put(&self, put: Put) -> Result<String, StorageError> {
        match &self.0 {
            Backend::File(store) => store.put(put).await,
            Backend::S3(store) => store.put(put).boxed().await,
        }
    }
}

// === impl Put ===

impl Put {
    /// An object without metadata, to be created once.
    pub fn once(key: impl Into<String>, content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self {
            key: key.into(),
            bytes: bytes.into(),
            content_type,
            metadata: BTreeMap::new(),
            condition: Condition::IfAbsent,
        }
    }
}
