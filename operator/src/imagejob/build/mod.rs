//! Builds the Kubernetes objects of an ImageJob. Pure: a snapshot in, objects out.

mod job;
mod mounts;
mod pod;
mod snapshot;

pub use job::{Live, plan_job, process_job, report_job};
pub use snapshot::{Snapshot, SnapshotError};

use std::collections::BTreeMap;

use collodion_crds::ImageJob;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

use super::Phase;

/// Value of [`MANAGED_BY`] on everything that the operator makes.
pub const MANAGER: &str = "collodion-operator";
/// Label that says who made an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label that names the ImageJob an object belongs to.
pub const IMAGEJOB: &str = "collodion.dev/imagejob";
/// Label that names the phase a Job or pod is for.
pub const PHASE: &str = "collodion.dev/phase";
/// Annotation of a process Job: the outcome of the plan it was made from.
pub const PLAN: &str = "collodion.dev/plan";

/// Name of the ConfigMap that holds an ImageJob's snapshot.
pub fn snapshot_name(job: &ImageJob) -> String {
    format!("{}-job", prefix(job))
}

/// Name of the Job that does a phase of an ImageJob.
pub fn job_name(job: &ImageJob, phase: Phase) -> String {
    format!("{}-{phase}", prefix(job))
}

/// `NAME-U`, with U the first eight digits of the UID: another ImageJob of the same name has other children.
fn prefix(job: &ImageJob) -> String {
    let meta = job.meta();
    let uid = meta.uid.as_deref().unwrap_or_default();
    format!(
        "{}-{}",
        meta.name.as_deref().unwrap_or_default(),
        uid.get(..8).unwrap_or(uid)
    )
}

fn metadata(job: &ImageJob, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: job.metadata.namespace.clone(),
        labels: Some(labels),
        owner_references: job.controller_owner_ref(&()).map(|owner| {
            vec![OwnerReference {
                block_owner_deletion: Some(true),
                ..owner
            }]
        }),
        ..ObjectMeta::default()
    }
}

fn labels(job: &ImageJob, phase: Option<Phase>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (MANAGED_BY.to_owned(), MANAGER.to_owned()),
        (IMAGEJOB.to_owned(), job.metadata.name.clone().unwrap_or_default()),
    ]);
    labels.extend(phase.map(|phase| (PHASE.to_owned(), phase.to_string())));
    labels
}
