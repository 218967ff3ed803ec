//! Why an object could not be read or written, in the kinds that callers tell apart.

use std::{error::Error, fmt};

type Source = Box<dyn Error + Send + Sync>;

/// A failed operation on a store.
#[derive(Debug)]
pub struct StorageError {
    operation: &'static str,
    uri: String,
    kind: ErrorKind,
    source: Option<Source>,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such object or folder.
    NotFound,
    /// There is no such bucket.
    NoBucket,
    /// The object is not (or no longer) as the condition asks.
    PreconditionFailed,
    /// The store refuses these credentials, or there are none; or the certificate it shows is not trusted.
    Denied,
    /// The object has more bytes than asked for.
    TooLarge,
    /// Passes by itself: still there when all tries were used up.
    Transient,
    /// Never works: a key, setting or request that the store can't take.
    Invalid,
}

// === impl StorageError ===

impl StorageError {
    pub(super) fn new(operation: &'static str, uri: impl Into<String>, kind: ErrorKind) -> Self {
        Self {
            operation,
            uri: uri.into(),
            kind,
            source: None,
        }
    }

    pub(super) fn invalid(operation: &'static str, uri: impl Into<String>, why: impl Into<Source>) -> Self {
        Self::new(operation, uri, ErrorKind::Invalid).with_source(why)
    }

    pub(super) fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same operation may work later.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Transient
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            uri,
            kind,
            source: _,
        } = self;
        write!(f, "failed to {operation} {uri}: {kind}")
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

// === impl ErrorKind ===

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "it does not exist",
            Self::NoBucket => "the bucket does not exist",
            Self::PreconditionFailed => "it is not as expected",
            Self::Denied => "access denied",
            Self::TooLarge => "it has too many bytes",
            Self::Transient => "the store did not do it in several tries",
            Self::Invalid => "the store can't take it",
        })
    }
}
