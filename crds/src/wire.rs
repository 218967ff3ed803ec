//! What an ImageJob's pods and the operator tell each other: where things are mounted, and the JSON that a pod
//! answers under `/progress` and leaves as its termination message.

use serde::{Deserialize, Serialize};

use crate::{ByteCounts, ObjectCounts};

/// Folder that a pod finds everything of its job in:
/// `job/job.json` (the ImageJob as it was when it started), `secrets/NAME/KEY` and `configmaps/NAME/KEY`.
pub const MOUNT_PATH: &str = "/etc/collodion";

/// Port on which a pod answers `/progress` with a [`Progress`], `/healthz` and `/metrics`.
pub const WORKER_PORT: u16 = 8080;

/// Exit code of a pod that refused its work for good, with [`Outcome::Refused`] as its termination message.
pub const EXIT_REFUSED: i32 = 2;

/// How far the pod of one shard is, rows of earlier pods of the shard included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Images of the shard; `total` is all of them.
    pub objects: ObjectCounts,
    /// Bytes moved for them.
    pub bytes: ByteCounts,
}

/// What a pod leaves as its termination message when it ends: at most 4,096 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// `plan` is done, `plan.json` is durable.
    Planned {
        /// Shards of the plan.
        shards: u32,
        /// Images of the plan.
        objects: u64,
        /// Bytes of these images.
        bytes: u64,
    },
    /// `shard` is done, its `done.json` is durable.
    Processed(Progress),
    /// `report` is done, `report.json` is durable.
    Reported {
        /// All images of the job.
        objects: ObjectCounts,
        /// All bytes moved.
        bytes: ByteCounts,
        /// Whether no more images failed than the failure policy allows.
        within_policy: bool,
        /// Location of `report.html`.
        report: String,
    },
    /// The phase can't be done, now or later: exit code [`EXIT_REFUSED`].
    Refused {
        /// The cause in CamelCase, fit for a condition's reason.
        reason: String,
        /// What was found and what to do about it.
        message: String,
    },
    /// The phase ended early and goes on in another pod: any other exit code.
    Interrupted {
        /// What happened.
        message: String,
    },
}
