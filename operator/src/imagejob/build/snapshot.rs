//! The snapshot of an ImageJob: what it means for all its life is fixed when it starts, in an immutable ConfigMap that
//! every pod mounts. A later edit, upgrade or default changes nothing about it.

use std::collections::BTreeMap;

use collodion_crds::ImageJob;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{labels, metadata, snapshot_name};

/// An ImageJob as it was when it started, and the image of its pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    job: ImageJob,
    worker_image: String,
}

/// A ConfigMap that holds no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A key is missing.
    #[error("it has no key {0}")]
    Missing(&'static str),
    /// The ImageJob in it can't be read.
    #[error("its job.json can't be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

const JOB: &str = "job.json";
const WORKER_IMAGE: &str = "workerImage";

impl Snapshot {
    /// The snapshot of an ImageJob that starts now.
    pub fn new(job: &ImageJob, worker_image: &str) -> Self {
        let metadata = ObjectMeta {
            name: job.metadata.name.clone(),
            namespace: job.metadata.namespace.clone(),
            uid: job.metadata.uid.clone(),
            ..ObjectMeta::default()
        };
        let job = ImageJob {
            metadata,
            spec: job.spec.clone(),
            status: None,
        };
        Self {
            job,
            worker_image: worker_image.to_owned(),
        }
    }

    /// The ImageJob as it was when it started; of its metadata just name, namespace and UID.
    pub fn job(&self) -> &ImageJob {
        &self.job
    }

    /// The image of its pods.
    pub fn worker_image(&self) -> &str {
        &self.worker_image
    }

    /// The ConfigMap that holds the snapshot.
    pub fn config_map(&self) -> ConfigMap {
        let job = serde_json::to_string_pretty(&self.job).expect("an ImageJob serializes to JSON");
        ConfigMap {
            metadata: metadata(&self.job, snapshot_name(&self.job), labels(&self.job, None)),
            immutable: Some(true),
            data: Some(BTreeMap::from([
                (JOB.to_owned(), job),
                (WORKER_IMAGE.to_owned(), self.worker_image.clone()),
            ])),
            binary_data: None,
        }
    }

    /// Reads the snapshot that a ConfigMap holds.
    ///
    /// # Errors
    /// A key is missing or holds no ImageJob.
    pub fn read(config_map: &ConfigMap) -> Result<Self, SnapshotError> {
        let value = |key| {
            config_map
                .data
                .as_ref()
                .and_then(|data| data.get(key))
                .ok_or(SnapshotError::Missing(key))
        };
        Ok(Self {
            job: serde_json::from_str(value(JOB)?)?,
            worker_image: value(WORKER_IMAGE)?.clone(),
        })
    }
}
