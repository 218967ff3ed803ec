//! Objects in S3 and in what speaks its protocol.

mod classify;
mod client;
mod credentials;

use std::{collections::BTreeMap, collections::VecDeque, path::Path, sync::Arc};

use aws_sdk_s3::{Client, primitives::ByteStream};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::BytesMut;
use collodion_crds::Storage;
use futures::{Stream, stream};

use super::{Condition, Entry, ErrorKind, Head, Object, Put, StorageError, retry::Policy};
use classify::classify;

/// The objects below a prefix of a bucket.
#[derive(Clone, Debug)]
pub(super) struct S3Store {
    client: Client,
    retry: Policy,
    /// Whether credentials are files that may have changed since they were last refused.
    mounted_credentials: bool,
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    endpoint: Option<String>,
    bucket: String,
    /// Empty or with a final slash.
    prefix: String,
}

impl S3Store {
    /// Opens `BUCKET/PREFIX`.
    pub(super) async fn open(
        path: &str,
        storage: Option<&Storage>,
        mounts: Option<&Path>,
    ) -> Result<Self, StorageError> {
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let slash = if prefix.is_empty() || prefix.ends_with('/') {
            ""
        } else {
            "/"
        };
        let settings = storage.cloned().unwrap_or_default();
        let uri = format!("s3://{path}");
        if bucket.is_empty() {
            return Err(StorageError::invalid(
                "open",
                uri,
                "write an S3 location as s3://BUCKET/PREFIX/",
            ));
        }
        let client = client::connect(&settings, mounts)
            .await
            .map_err(|why| StorageError::invalid("open", uri, why))?;
        let mounted_credentials = mounts.is_some() && settings.credentials.is_some();
        let place = Place {
            endpoint: settings.endpoint,
            bucket: bucket.to_owned(),
            prefix: format!("{prefix}{slash}"),
        };
        Ok(Self {
            client,
            retry: Policy::default(),
            mounted_credentials,
            place: Arc::new(place),
        })
    }

    pub(super) fn uri(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.place.bucket, self.place.prefix)
    }

    pub(super) fn key_of(&self, other: &Self) -> Option<String> {
        let (this, other) = (&*self.place, &*other.place);
        let same_store = this.bucket == other.bucket && this.endpoint == other.endpoint;
        other
            .prefix
            .strip_prefix(&this.prefix)
            .filter(|_| same_store)
            .map(str::to_owned)
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.place.prefix)
    }

    /// Runs an operation with retries; once more where credentials were refused that are read again each time.
    async fn run<T, F>(&self, operation: impl Fn() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        match self.retry.run(&operation).await {
            Err(error) if error.kind() == ErrorKind::Denied && self.mounted_credentials => {
                self.retry.run(&operation).await
            }
            result => result,
        }
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> impl Stream<Item = Result<Entry, StorageError>> + Send + use<> {
        let listing = Listing {
            store: self.clone(),
            prefix: self.full(prefix),
            start_after: start_after.map(|key| self.full(key)),
            page: VecDeque::new(),
            next: Next::First,
        };
        stream::try_unfold(listing, |mut listing| async {
            Ok(listing.next_entry().await?.map(|entry| (entry, listing)))
        })
    }

    pub(super) async fn head(&self, key: &str) -> Result<Head, StorageError> {
        let request = self.client.head_object().bucket(&self.place.bucket).key(self.full(key));
        let answer = self
            .run(|| async {
                request
                    .clone()
                    .send()
                    .await
                    .map_err(|e| classify("look up", self.uri(key), e))
            })
            .await?;
        Ok(Head {
            size: size(answer.content_length()),
            etag: etag(answer.e_tag()),
            content_type: answer.content_type().map(str::to_owned),
            metadata: answer.metadata.map(BTreeMap::from_iter).unwrap_or_default(),
        })
    }

    pub(super) async fn get(&self, key: &str, if_match: Option<&str>, max: u64) -> Result<Object, StorageError> {
        let request = self.client.get_object().bucket(&self.place.bucket).key(self.full(key));
        let request = request.set_if_match(if_match.map(quoted));
        self.run(|| async { self.read(request.clone(), key, max).await }).await
    }

    /// One try at an object and all of its bytes.
    async fn read(
        &self,
        request: aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder,
        key: &str,
        max: u64,
    ) -> Result<Object, StorageError> {
        let fail = |kind| StorageError::new("read", self.uri(key), kind);
        let mut answer = request.send().await.map_err(|e| classify("read", self.uri(key), e))?;
        let expected = size(answer.content_length());
        if expected > max {
            return Err(fail(ErrorKind::TooLarge));
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(expected).unwrap_or_default());
        while let Some(chunk) = answer.body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| fail(ErrorKind::Transient).with_source(error))?);
            if bytes.len() as u64 > max {
                return Err(fail(ErrorKind::TooLarge));
            }
        }
        if answer.content_length().is_some() && bytes.len() as u64 != expected {
            let why = format!("the answer ended after {} of {expected} bytes", bytes.len());
            return Err(fail(ErrorKind::Transient).with_source(why));
        }
        Ok(Object {
            bytes: bytes.freeze(),
            etag: etag(answer.e_tag()),
        })
    }

    pub(super) async fn put(&self, put: Put) -> Result<String, StorageError> {
        let Put {
            key,
            bytes,
            content_type,
            metadata,
            condition,
        } = put;
        let (if_none_match, if_match) = match &condition {
            Condition::None => (None, None),
            Condition::IfAbsent => (Some("*".to_owned()), None),
            Condition::IfMatch(etag) => (None, Some(quoted(etag))),
        };
        let crc32 = BASE64_STANDARD.encode(crc32fast::hash(&bytes).to_be_bytes());
        let request = || {
            self.client
                .put_object()
                .bucket(&self.place.bucket)
                .key(self.full(&key))
                .content_type(content_type)
                .set_metadata(Some(metadata.clone().into_iter().collect()))
                .checksum_crc32(crc32.clone())
                .set_if_none_match(if_none_match.clone())
                .set_if_match(if_match.clone())
                .body(ByteStream::from(bytes.clone()))
                .customize()
                .config_override(
                    aws_sdk_s3::config::Builder::new().timeout_config(client::timeouts(bytes.len() as u64)),
                )
        };
        let answer = self
            .run(|| async { request().send().await.map_err(|e| classify("write", self.uri(&key), e)) })
            .await?;
        Ok(etag(answer.e_tag()))
    }
}

/// A listing under way.
struct Listing {
    store: S3Store,
    prefix: String,
    start_after: Option<String>,
    page: VecDeque<Entry>,
    next: Next,
}

enum Next {
    First,
    After(String),
    End,
}

impl Listing {
    async fn next_entry(&mut self) -> Result<Option<Entry>, StorageError> {
        while self.page.is_empty() && !matches!(self.next, Next::End) {
            self.fetch().await?;
        }
        Ok(self.page.pop_front())
    }

    async fn fetch(&mut self) -> Result<(), StorageError> {
        let S3Store { client, place, .. } = &self.store;
        let token = if let Next::After(token) = &self.next {
            Some(token.clone())
        } else {
            None
        };
        let request = client
            .list_objects_v2()
            .bucket(&place.bucket)
            .prefix(&self.prefix)
            .set_start_after(self.start_after.clone())
            .set_continuation_token(token);
        let answer = self
            .store
            .run(|| async {
                request
                    .clone()
                    .send()
                    .await
                    .map_err(|e| classify("list", self.store.uri(""), e))
            })
            .await?;
        self.next = match answer.next_continuation_token() {
            Some(token) if answer.is_truncated() == Some(true) => Next::After(token.to_owned()),
            _ => Next::End,
        };
        let entries = answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
            let key = object.key()?.strip_prefix(&place.prefix)?.to_owned();
            Some(Entry {
                key,
                size: size(object.size()),
                etag: etag(object.e_tag()),
            })
        });
        self.page.extend(entries.filter(|entry| !entry.key.is_empty()));
        Ok(())
    }
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

fn etag(quoted: Option<&str>) -> String {
    quoted.unwrap_or_default().trim_matches('"').to_owned()
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
