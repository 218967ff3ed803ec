//! The status that an ImageJob should have, and writing it.
//!
//! Conditions follow kstatus, so that Flux and kpt can wait for a job: Reconciling while it goes on, Stalled when
//! someone has to do something, Ready once it is complete. Complete and Failed appear once and for ever.

use collodion_crds::{ImageJob, ImageJobStatus, ObjectCounts};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta},
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Client, Resource,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    Phase,
    build::MANAGER,
    conditions::{Draft, time},
    dereference::imagejobs,
    numbers::{Measured, count, counted, measure},
    phase::{Decision, Failure, Reported},
    pods::Obstacle,
    validate::Invalid,
};

/// The status could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else wrote in the meantime: what this status was made from is no longer so.
    #[error("the ImageJob changed while its status was made")]
    Conflict(#[source] kube::Error),
    /// The API server refused or could not be reached.
    #[error("failed to write the status")]
    Write(#[source] kube::Error),
}

impl Error {
    /// Name of the variant, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "Conflict",
            Self::Write(_) => "WriteStatus",
        }
    }
}

/// Everything that a status is made from, beside the one before.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The ImageJob with its status so far.
    pub job: &'a ImageJob,
    /// What was decided, and done.
    pub decision: &'a Decision,
    /// What keeps pods from starting while none runs.
    pub obstacle: Option<Obstacle>,
    /// Something worth knowing that does not keep the job from going on.
    pub remark: Option<String>,
    /// How far processing is, in that phase.
    pub measured: Option<Measured>,
    /// Now.
    pub now: Timestamp,
}

/// The status of a job that can't be worked on as it is.
pub fn invalid(metadata: &ObjectMeta, old: &ImageJobStatus, invalid: &Invalid, now: Timestamp) -> ImageJobStatus {
    let mut status = old.clone();
    let mut draft = Draft::new(&mut status, metadata.generation, now);
    let (reason, message) = (invalid.reason(), invalid.to_string());
    draft.set("Ready", false, reason, &message);
    draft.set("Reconciling", false, reason, &message);
    draft.set("Stalled", true, reason, &message);
    status
}

/// The status that follows from a situation.
pub fn next(situation: &Situation<'_>) -> ImageJobStatus {
    let Situation {
        job,
        decision,
        obstacle,
        remark,
        measured,
        now,
    } = situation;
    let mut status = job.status.clone().unwrap_or_default();
    if status.start_time.is_none() && !job.spec.suspend {
        status.start_time = Some(time(*now));
    }
    match decision {
        Decision::Complete(reported) => {
            count(&mut status, reported);
            finish(&mut status, job, *now, Ok(reported));
        }
        Decision::Fail(failure, reported) => {
            reported.iter().for_each(|reported| count(&mut status, reported));
            finish(&mut status, job, *now, Err(failure));
        }
        Decision::Start
        | Decision::Plan
        | Decision::Process(_)
        | Decision::Report
        | Decision::Repeat(_)
        | Decision::Wait(_) => {
            measure(&mut status, decision, *measured, *now);
            if job.spec.suspend {
                (status.throughput, status.eta) = (None, None);
            }
            go_on(&mut status, job, decision, obstacle.as_ref(), remark.as_deref(), *now);
        }
    }
    status
}

/// Writes a status. It goes through only if the object is still the one that was read: a writer with an old view can't
/// take a terminal condition back.
///
/// # Errors
/// The object changed, or the API server can't be reached.
pub async fn write(client: &Client, metadata: &ObjectMeta, status: &ImageJobStatus) -> Result<(), Error> {
    let object = object(metadata, status);
    patch(
        client,
        metadata,
        &PatchParams::apply(MANAGER).force(),
        &Patch::Apply(object),
    )
    .await
}

/// The status of a finished job whose spec was changed since: the same, for nothing is done about it any more, but
/// seen, or kstatus would wait for ever. None where it is up to date.
pub fn observed(job: &ImageJob) -> Option<ImageJobStatus> {
    let mut status = job.status.clone()?;
    if status.observed_generation == job.metadata.generation {
        return None;
    }
    status.observed_generation = job.metadata.generation;
    for condition in &mut status.conditions {
        condition.observed_generation = job.metadata.generation;
    }
    Some(status)
}

/// Writes a status as [`write()`] does, of an object whose spec does not fit its schema: the API server merges no
/// applied fields into one, but puts up with what was wrong before.
///
/// # Errors
/// As [`write()`].
pub async fn write_malformed(client: &Client, metadata: &ObjectMeta, status: &ImageJobStatus) -> Result<(), Error> {
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    patch(client, metadata, &params, &Patch::Merge(object(metadata, status))).await
}

fn object(metadata: &ObjectMeta, status: &ImageJobStatus) -> serde_json::Value {
    let ObjectMeta {
        name,
        uid,
        resource_version,
        ..
    } = metadata;
    json!({
        "apiVersion": ImageJob::api_version(&()),
        "kind": ImageJob::kind(&()),
        "metadata": {"name": name, "uid": uid, "resourceVersion": resource_version},
        "status": status,
    })
}

async fn patch(
    client: &Client,
    metadata: &ObjectMeta,
    params: &PatchParams,
    patch: &Patch<serde_json::Value>,
) -> Result<(), Error> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let api = imagejobs(client.clone(), &text(&metadata.namespace));
    match api.patch_status(&text(&metadata.name), params, patch).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(cause)) if cause.is_conflict() => Err(Error::Conflict(kube::Error::Api(cause))),
        Err(error) => Err(Error::Write(error)),
    }
}

/// How long a new status may wait to be written, after the last one was: not at all if it says something new, a little
/// if just numbers moved. None if there is nothing to write.
pub fn holdback(old: &ImageJobStatus, new: &ImageJobStatus) -> Option<SignedDuration> {
    if old == new {
        return None;
    }
    let words = |status: &ImageJobStatus| {
        let said = |c: &Condition| {
            (
                c.type_.clone(),
                c.status.clone(),
                c.reason.clone(),
                c.observed_generation,
            )
        };
        (
            status.report.clone(),
            status.start_time.clone(),
            status.conditions.iter().map(said).collect::<Vec<_>>(),
        )
    };
    if words(old) != words(new) {
        Some(SignedDuration::ZERO)
    } else if (old.objects, old.shards) != (new.objects, new.shards) {
        Some(SignedDuration::from_secs(2))
    } else {
        Some(SignedDuration::from_secs(20))
    }
}

fn finish(status: &mut ImageJobStatus, job: &ImageJob, now: Timestamp, end: Result<&Reported, &Failure>) {
    status.completion_time = Some(time(now));
    status.eta = None;
    let mut draft = Draft::new(status, job.metadata.generation, now);
    match end {
        Ok(reported) => {
            let message = summary(reported);
            draft.set("Ready", true, "Complete", &message);
            draft.set("Reconciling", false, "Complete", &message);
            draft.set("Stalled", false, "Complete", &message);
            draft.set("Suspended", false, "Complete", &message);
            draft.set("Complete", true, "Complete", &message);
        }
        Err(Failure { reason, message }) => {
            draft.set("Ready", false, "Failed", message);
            draft.set("Reconciling", false, "Failed", message);
            draft.set("Stalled", true, reason, message);
            draft.set("Suspended", false, "Failed", message);
            draft.set("Failed", true, reason, message);
        }
    }
}

fn go_on(
    status: &mut ImageJobStatus,
    job: &ImageJob,
    decision: &Decision,
    obstacle: Option<&Obstacle>,
    remark: Option<&str>,
    now: Timestamp,
) {
    let (state, mut doing) = describe(job, decision, status);
    if let Some(remark) = remark {
        doing = format!("{doing}; {remark}");
    }
    let suspended = job.spec.suspend;
    let mut draft = Draft::new(status, job.metadata.generation, now);
    if suspended {
        let message = format!("suspended, set spec.suspend to false to go on; {doing}");
        draft.set("Ready", false, "Suspended", &message);
        draft.set("Reconciling", false, "Suspended", &message);
        draft.set("Stalled", false, "Suspended", &message);
        draft.set("Suspended", true, "Suspended", &message);
        return;
    }
    match obstacle {
        Some(Obstacle { reason, message }) => {
            draft.set("Ready", false, state, message);
            draft.set("Reconciling", false, reason, message);
            draft.set("Stalled", true, reason, message);
        }
        None => {
            draft.set("Ready", false, state, &doing);
            draft.set("Reconciling", true, state, &doing);
            draft.set("Stalled", false, state, "nothing is in the way");
        }
    }
    draft.set("Suspended", false, "Running", "the job is not suspended");
}

/// The state of a job that goes on: its name, and what is being done.
fn describe(job: &ImageJob, decision: &Decision, status: &ImageJobStatus) -> (&'static str, String) {
    let shards = status.shards.unwrap_or_default();
    match decision.phase() {
        Some(Phase::Plan) | None => ("Planning", format!("cutting {} into shards", job.spec.input.location)),
        Some(Phase::Process) => (
            "Processing",
            format!(
                "{} of {} shards are done, up to {} at a time",
                shards.done, shards.total, job.spec.parallelism
            ),
        ),
        Some(Phase::Report) => (
            "Reporting",
            format!("merging the results of {}", counted(shards.total, "shard")),
        ),
    }
}

fn summary(reported: &Reported) -> String {
    let ObjectCounts {
        total,
        done,
        skipped,
        failed,
    } = reported.objects;
    let images = counted(total, "image");
    format!(
        "{images}: {done} done, {skipped} skipped, {failed} failed; see {}",
        reported.report
    )
}

#[cfg(test)]
mod tests;
