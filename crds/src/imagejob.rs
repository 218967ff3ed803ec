//! `ImageJob`: every rendition of every image under a location, once.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{Location, Quantity, Rendition, Storage, Tolerance, Worker};

/// Makes every rendition of every image under a location, and a report. Its spec can't be changed once created,
/// except suspend and parallelism.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "collodion.dev",
    version = "v1alpha1",
    kind = "ImageJob",
    plural = "imagejobs",
    shortname = "ij",
    category = "all",
    category = "collodion",
    namespaced,
    cel,
    status = "ImageJobStatus",
    derive = "PartialEq",
    doc = "An ImageJob makes every rendition of every image under a location, once, and reports on it.",
    printcolumn(name = "State", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Progress", type_ = "string", json_path = ".status.progress"),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".status.objects.total"),
    printcolumn(name = "Done", type_ = "integer", json_path = ".status.objects.done"),
    printcolumn(name = "Skipped", type_ = "integer", json_path = ".status.objects.skipped", priority = 1),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.objects.failed"),
    printcolumn(name = "Rate", type_ = "string", json_path = ".status.throughput"),
    printcolumn(name = "ETA", type_ = "string", json_path = ".status.eta", priority = 1),
    printcolumn(name = "Report", type_ = "string", json_path = ".status.report", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40").message("an ImageJob's name has at most 40 characters: its pods' names are made from it"),
    validation = Rule::new("!self.metadata.name.contains('.')").message("an ImageJob's name has no dots: its pods' names are made from it")
)]
#[x_kube(validation = Rule::new(IMMUTABLE).message("only suspend and parallelism of an ImageJob can be changed: delete it and create another"))]
#[x_kube(validation = Rule::new("size(self.renditions) == 1 || self.output.key.contains('{rendition}')")
    .message("with several renditions, output.key has to contain {rendition}, or they would overwrite each other"))]
#[x_kube(validation = Rule::new("has(self.input.storage) || has(self.output.storage) || !(self.input.location.endsWith('/') ? self.input.location : self.input.location + '/').startsWith(self.output.location.endsWith('/') ? self.output.location : self.output.location + '/')")
    .message("outputs are never inputs: give output.location a folder that does not hold input.location"))]
pub struct ImageJobSpec {
    /// The object store behind every s3:// location below that names none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// The images.
    pub input: Input,
    /// Where the renditions go.
    pub output: Output,
    /// What is made of each image.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub renditions: Vec<Rendition>,
    /// What an image may ask of a worker. Larger ones become failures in the report.
    #[serde(default)]
    pub limits: Limits,
    /// How the input is cut into shards, each the work of one pod at a time.
    #[serde(default)]
    pub shard: Shard,
    /// How many shards are worked on at the same time. Can be changed while the job runs.
    #[serde(default = "default_parallelism")]
    #[schemars(range(min = 1, max = 10000))]
    pub parallelism: i32,
    /// Stops the job's pods at their next checkpoint until set to false again. Can be changed while the job runs.
    #[serde(default)]
    pub suspend: bool,
    /// When failures make the whole job a failed one.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// Seconds after which the job, if still running, is stopped and failed. No bound when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub active_deadline_seconds: Option<i64>,
    /// Seconds after its end at which the ImageJob is deleted; its outputs and report stay. Never when left out. Leave
    /// it out under GitOps, which would create a deleted ImageJob again and so run it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i64>,
    /// Settings of the pods that do the work.
    #[serde(default)]
    pub worker: Worker,
}

/// A spec keeps every field but suspend and parallelism. Optional fields are compared by their presence first: a
/// rule on the field itself would not see it added or removed.
const IMMUTABLE: &str = "has(self.storage) == has(oldSelf.storage) && (!has(self.storage) || self.storage == oldSelf.storage) \
    && self.input == oldSelf.input && self.output == oldSelf.output && self.renditions == oldSelf.renditions \
    && self.limits == oldSelf.limits && self.shard == oldSelf.shard && self.failurePolicy == oldSelf.failurePolicy \
    && has(self.activeDeadlineSeconds) == has(oldSelf.activeDeadlineSeconds) && (!has(self.activeDeadlineSeconds) || self.activeDeadlineSeconds == oldSelf.activeDeadlineSeconds) \
    && has(self.ttlSecondsAfterFinished) == has(oldSelf.ttlSecondsAfterFinished) && (!has(self.ttlSecondsAfterFinished) || self.ttlSecondsAfterFinished == oldSelf.ttlSecondsAfterFinished) \
    && self.worker == oldSelf.worker";

/// The images of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The folder they lie in, subfolders included.
    pub location: Location,
    /// The object store behind the location. The job's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Globs of keys to take, relative to the location: `*` within a folder, `**` across folders. All when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 512)), extend("x-kubernetes-list-type" = "atomic"))]
    pub include: Vec<String>,
    /// Globs of keys to leave out, even if included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 512)), extend("x-kubernetes-list-type" = "atomic"))]
    pub exclude: Vec<String>,
}

/// Where renditions go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The folder they go to. The job's own files lie below it under `_collodion/`.
    pub location: Location,
    /// The object store behind the location. The job's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Key of each output, relative to the location, made from the image's: {dir} its folder, {name} its file name,
    /// {stem} the name without its extension, {rendition} the rendition's name, {ext} the output format's extension.
    #[serde(default = "Output::default_key")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^([^{}]|[{](dir|name|stem|rendition|ext)[}])*$')").message("output.key knows the placeholders {dir}, {name}, {stem}, {rendition} and {ext}"))]
    #[x_kube(validation = Rule::new("self.contains('{name}') || self.contains('{stem}')").message("output.key has to contain {name} or {stem}, or images would overwrite each other"))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.startsWith('_collodion')").message("output.key is relative to output.location and outside _collodion/, where the job's own files lie"))]
    pub key: String,
    /// What to do about an output that exists.
    #[serde(default)]
    pub existing: Existing,
}

/// What to do about an output that exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Existing {
    /// Keeps it if it was made from the same image by the same recipe, else replaces it.
    #[default]
    Skip,
    /// Makes it again and replaces it.
    Overwrite,
    /// Keeps it and counts the image as failed, unless this very job made it.
    Fail,
}

/// What an image may ask of a worker; checked from its header, before its pixels are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Most pixels (width × height) an image may have.
    #[serde(default = "Limits::default_pixels")]
    pub pixels: Quantity,
    /// Most bytes an image's file may have.
    #[serde(default = "Limits::default_bytes")]
    pub bytes: Quantity,
}

/// How the input is cut into shards. A shard is full when it reaches either bound; where that would make 10,000
/// shards or more, shards are made larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// Most images in a shard.
    #[serde(default = "Shard::default_objects")]
    #[schemars(range(min = 1, max = 100_000))]
    pub objects: u32,
    /// Most bytes of images in a shard (a larger image is a shard of its own).
    #[serde(default = "Shard::default_bytes")]
    pub bytes: Quantity,
}

/// When failures make the whole job a failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailurePolicy {
    /// Most images that may fail: a count, or a share of all as `1%`. With more, the job ends as Failed; every other
    /// image is done all the same.
    #[serde(default = "FailurePolicy::default_max_failed")]
    pub max_failed: Tolerance,
}

/// What is known of a job's progress and outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageJobStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When planning started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the job became Complete or Failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Share of the images that are accounted for, such as `42%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Images, counted once each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectCounts>,
    /// Bytes moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteCounts>,
    /// Shards of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCounts>,
    /// Images a second since processing started, such as `120.5/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<String>,
    /// When processing will end at this throughput.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Time>,
    /// Where the report lies, once it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// Complete and Failed are final; Suspended, Reconciling, Stalled and Ready come and go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Images of a job, each in exactly one of done, skipped and failed in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectCounts {
    /// All images of the plan.
    pub total: u64,
    /// Images of which at least one rendition was written, and none failed.
    pub done: u64,
    /// Images whose renditions were all there already.
    pub skipped: u64,
    /// Images of which at least one rendition failed.
    pub failed: u64,
}

/// Bytes moved by a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ByteCounts {
    /// Bytes of the images read.
    #[serde(rename = "in")]
    pub input: u64,
    /// Bytes of the renditions written.
    #[serde(rename = "out")]
    pub output: u64,
}

/// Shards of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardCounts {
    /// Shards of the plan.
    pub total: u64,
    /// Shards that are finished.
    pub done: u64,
}

// === impl Output ===

impl Output {
    fn default_key() -> String {
        "{dir}/{name}.{rendition}.{ext}".to_owned()
    }
}

// === impl Limits ===

impl Limits {
    fn default_pixels() -> Quantity {
        Quantity::new(100_000_000)
    }

    fn default_bytes() -> Quantity {
        Quantity::new(64 << 20)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pixels: Self::default_pixels(),
            bytes: Self::default_bytes(),
        }
    }
}

// === impl Shard ===

impl Shard {
    fn default_objects() -> u32 {
        1000
    }

    fn default_bytes() -> Quantity {
        Quantity::new(2 << 30)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            objects: Self::default_objects(),
            bytes: Self::default_bytes(),
        }
    }
}

// === impl FailurePolicy ===

impl FailurePolicy {
    fn default_max_failed() -> Tolerance {
        Tolerance::Percent(1)
    }
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self {
            max_failed: Self::default_max_failed(),
        }
    }
}

// === impl ObjectCounts ===

impl ObjectCounts {
    /// Images that are accounted for.
    pub fn finished(&self) -> u64 {
        self.done + self.skipped + self.failed
    }
}

fn default_parallelism() -> i32 {
    4
}
