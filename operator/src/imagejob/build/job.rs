//! The three Jobs. Each is created once and never applied again, since a Job's template can't be changed; just
//! `suspend` and `parallelism` are patched later.

use std::collections::BTreeMap;

use collodion_crds::{ImageJobSpec, wire::Outcome};
use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::{PLAN, Snapshot, job_name, labels, metadata, pod};
use crate::imagejob::{Phase, phase::Planned};

/// How often a pod may fail. A pod that is killed, evicted or lost with its node says nothing about the work, so
/// Kubernetes' count must never end a Job: the worker counts its own failures.
const UNREACHABLE_LIMIT: i32 = i32::MAX;

/// The fields of an ImageJob that may change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Whether its pods are stopped.
    pub suspend: bool,
    /// How many shards are worked on at the same time.
    pub parallelism: i32,
}

/// The Job that plans the shards.
pub fn plan_job(snapshot: &Snapshot, live: Live) -> Job {
    single(snapshot, live, Phase::Plan)
}

/// The Job that processes the shards, one index each.
pub fn process_job(snapshot: &Snapshot, live: Live, planned: Planned) -> Job {
    let mut job = single(snapshot, live, Phase::Process);
    let Planned { shards, objects, bytes } = planned;
    let plan =
        serde_json::to_string(&Outcome::Planned { shards, objects, bytes }).expect("an Outcome serializes to JSON");
    job.metadata.annotations = Some(BTreeMap::from([(PLAN.to_owned(), plan)]));
    let spec = job.spec.get_or_insert_default();
    spec.backoff_limit = None;
    spec.backoff_limit_per_index = Some(UNREACHABLE_LIMIT);
    spec.completion_mode = Some("Indexed".to_owned());
    spec.completions = Some(i32::try_from(shards).unwrap_or(i32::MAX));
    spec.parallelism = Some(live.parallelism);
    job
}

/// The Job that merges the results into a report.
pub fn report_job(snapshot: &Snapshot, live: Live) -> Job {
    single(snapshot, live, Phase::Report)
}

/// A Job of one pod. It has no `podFailurePolicy`: with one, a pod on a dead node is not replaced until its Node
/// object goes.
fn single(snapshot: &Snapshot, live: Live, phase: Phase) -> Job {
    let job = snapshot.job();
    // What a pod is to do it reads from the snapshot; what the operator acts on is named here.
    let ImageJobSpec {
        storage: _,
        input: _,
        output: _,
        renditions: _,
        limits: _,
        shard: _,
        parallelism: _, // changes: see Live
        suspend: _,     // changes: see Live
        failure_policy: _,
        active_deadline_seconds: _,    // kept by the operator, over all three Jobs
        ttl_seconds_after_finished: _, // kept by the operator, for the ImageJob as a whole
        worker: _,                     // see pod
    } = &job.spec;
    let spec = JobSpec {
        backoff_limit: Some(UNREACHABLE_LIMIT),
        completions: Some(1),
        parallelism: Some(1),
        pod_replacement_policy: Some("TerminatingOrFailed".to_owned()),
        suspend: Some(live.suspend),
        template: pod::template(snapshot, phase),
        ..JobSpec::default()
    };
    Job {
        metadata: metadata(job, job_name(job, phase), labels(job, Some(phase))),
        spec: Some(spec),
        status: None,
    }
}
