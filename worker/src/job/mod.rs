//! Jobs: every rendition of every image under a location, in three phases that any number of processes can be killed
//! in and start again.
//!
//! 1. [`plan`] lists the images and cuts the list into shards.
//! 2. [`shard`] works on one of them.
//! 3. [`report`] merges what the shards left behind.
//!
//! All that a phase leaves behind lies in the output's store and is created once. Phases share nothing else.

mod layout;
mod ledger;
mod output_key;
pub mod plan;
mod progress;
pub mod report;
mod row;
pub mod shard;

use std::{error::Error, path::Path};

use collodion_crds::{Encode, EncodeFormat, ImageJob, ImageJobSpec, Limits, Rendition, wire::Outcome};

use crate::{
    engine::{self, Format},
    storage::{Condition, ErrorKind, Put, StorageError, Store},
};
use layout::Layout;
pub use progress::Progress;

/// A job and the stores it reads from and writes to.
#[derive(Debug)]
pub struct Job {
    name: String,
    uid: String,
    spec: ImageJobSpec,
    /// Hash of each rendition's recipe, in the order of the renditions.
    recipes: Vec<String>,
    layout: Layout,
    input: Store,
    output: Store,
}

/// Why a phase ended before its work was done.
#[derive(Debug, thiserror::Error)]
pub enum PhaseError {
    /// It can't be done, now or later.
    #[error("{message}")]
    Refused {
        /// The cause in CamelCase.
        reason: &'static str,
        /// What was found and what to do about it.
        message: String,
    },
    /// It was told to stop.
    #[error("stopped before the work was done: what is finished is kept")]
    Stopped,
    /// A store can't be used at the moment.
    #[error("interrupted")]
    Storage(#[source] StorageError),
    /// What another process left is not as it should be, for now.
    #[error("{0}")]
    Unready(String),
}

// === impl Job ===

impl Job {
    /// Opens the stores of a job. `mounts` is the folder of mounted Secrets and ConfigMaps in a pod.
    ///
    /// # Errors
    /// Refuses a job without a UID, and locations or storage settings that can't be used.
    pub async fn open(job: ImageJob, mounts: Option<&Path>) -> Result<Self, PhaseError> {
        let (Some(name), Some(uid)) = (job.metadata.name, job.metadata.uid) else {
            return Err(PhaseError::refused(
                "InvalidJob",
                "the job has no metadata.name or metadata.uid".to_owned(),
            ));
        };
        let spec = job.spec;
        let input = Store::open(
            &spec.input.location,
            spec.input.storage.as_ref().or(spec.storage.as_ref()),
            mounts,
        );
        let output = Store::open(
            &spec.output.location,
            spec.output.storage.as_ref().or(spec.storage.as_ref()),
            mounts,
        );
        let invalid = |error: StorageError| PhaseError::refused("InvalidStorage", chain(&error));
        let (input, output) = (input.await.map_err(invalid)?, output.await.map_err(invalid)?);
        let recipes = spec.renditions.iter().map(engine::recipe_hash).collect();
        Ok(Self {
            layout: Layout::new(&uid),
            name,
            uid,
            spec,
            recipes,
            input,
            output,
        })
    }

    /// The URI of the job's report for people.
    pub fn report_uri(&self) -> String {
        self.output.uri(&self.layout.report_html())
    }

    /// The URI of the job's list of failures.
    pub fn failures_uri(&self) -> String {
        self.output.uri(&self.layout.failures())
    }

    /// The URI of the folder that renditions go to.
    pub fn output_uri(&self) -> String {
        self.output.uri("")
    }

    fn limits(&self) -> engine::Limits {
        let Limits { pixels, bytes } = self.spec.limits;
        engine::Limits {
            pixels: pixels.get(),
            bytes: bytes.get(),
        }
    }

    /// The keys of an image's outputs, as far as its own key tells: its extension stands for its format.
    fn outputs_of<'a>(&'a self, image: &'a str) -> impl Iterator<Item = String> + 'a {
        self.spec.renditions.iter().map(move |rendition| {
            let format = expected_format(&rendition.encode, image);
            self.output_key(image, rendition, format.map_or("", Format::extension))
        })
    }

    fn output_key(&self, image: &str, rendition: &Rendition, extension: &str) -> String {
        output_key::expand(&self.spec.output.key, image, &rendition.name, extension)
    }

    /// Reads one of the job's own files; none where it does not exist yet.
    async fn read(&self, key: &str) -> Result<Option<bytes::Bytes>, StorageError> {
        match self.output.get(key, None, u64::MAX).await {
            Ok(object) => Ok(Some(object.bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates one of the job's own files, and answers the bytes of the one that another process, or an earlier try
    /// of this one, created before.
    async fn create(
        &self,
        key: String,
        content_type: &'static str,
        bytes: Vec<u8>,
    ) -> Result<Option<bytes::Bytes>, StorageError> {
        match self.output.put(Put::once(&key, content_type, bytes)).await {
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => self
                .output
                .get(&key, None, u64::MAX)
                .await
                .map(|object| Some(object.bytes)),
            Err(error) => Err(error),
        }
    }

    /// Writes one of the job's own files that every try writes alike.
    async fn replace(&self, key: String, content_type: &'static str, bytes: Vec<u8>) -> Result<(), StorageError> {
        let put = Put {
            condition: Condition::None,
            ..Put::once(key, content_type, bytes)
        };
        self.output.put(put).await.map(drop)
    }
}

// === impl PhaseError ===

impl PhaseError {
    fn refused(reason: &'static str, message: String) -> Self {
        Self::Refused { reason, message }
    }

    fn corrupt(key: &str, error: impl std::fmt::Display) -> Self {
        Self::refused(
            "CorruptJobFile",
            format!("the job's own file {key} can't be used: {error}"),
        )
    }

    /// What a pod tells the operator of this end.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { reason, message } => Outcome::Refused {
                reason: (*reason).to_owned(),
                message: message.clone(),
            },
            other => Outcome::Interrupted { message: chain(other) },
        }
    }
}

impl From<StorageError> for PhaseError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// The format that an encoding of an image will have, as far as the image's key tells.
fn expected_format(encode: &Encode, image: &str) -> Option<Format> {
    match encode.format {
        EncodeFormat::Auto => {
            let promised = output_key::extension(image).and_then(Format::from_extension)?;
            Some(Format::of_output(encode, promised))
        }
        // The source's own format matters to `auto` alone.
        EncodeFormat::Jpeg | EncodeFormat::Png | EncodeFormat::Webp => Some(Format::of_output(encode, Format::Jpeg)),
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
