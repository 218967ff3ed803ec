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
mod tests {
    use super::*;
    use crate::imagejob::{conditions::condition, phase::Planned};
    use collodion_crds::{ByteCounts, ShardCounts};

    fn job(suspend: bool, status: Option<ImageJobStatus>) -> ImageJob {
        let mut job: ImageJob = serde_json::from_value(json!({
            "apiVersion": "collodion.dev/v1alpha1", "kind": "ImageJob",
            "metadata": {"name": "web", "namespace": "media", "generation": 3},
            "spec": {
                "input": {"location": "s3://photos/"}, "output": {"location": "s3://out/"},
                "renditions": [{"name": "thumb"}], "suspend": suspend,
            },
        }))
        .unwrap();
        job.status = status;
        job
    }

    fn after(job: &ImageJob, decision: &Decision, seconds: i64) -> ImageJobStatus {
        let now = Timestamp::from_second(seconds).unwrap();
        next(&Situation {
            job,
            decision,
            obstacle: None,
            remark: None,
            measured: None,
            now,
        })
    }

    fn words(status: &ImageJobStatus) -> Vec<String> {
        let short = |c: &Condition| format!("{}={} {}", c.type_, c.status, c.reason);
        status.conditions.iter().map(short).collect()
    }

    fn reported() -> Reported {
        let objects = ObjectCounts {
            total: 10,
            done: 8,
            skipped: 1,
            failed: 1,
        };
        let bytes = ByteCounts { input: 100, output: 10 };
        Reported {
            objects,
            bytes,
            within_policy: true,
            report: "s3://out/report.html".to_owned(),
        }
    }

    #[test]
    fn a_job_that_goes_on_is_reconciling() {
        let status = after(&job(false, None), &Decision::Wait(Phase::Process), 100);
        assert_eq!(
            words(&status),
            [
                "Ready=False Processing",
                "Reconciling=True Processing",
                "Stalled=False Processing",
                "Suspended=False Running"
            ]
        );
        assert_eq!(
            (status.observed_generation, status.start_time.is_some()),
            (Some(3), true)
        );
        assert!(
            status
                .conditions
                .iter()
                .all(|condition| condition.observed_generation == Some(3))
        );
    }

    #[test]
    fn a_job_whose_pods_do_not_start_is_stalled_with_what_to_do() {
        let obstacle = Some(Obstacle {
            reason: "Unschedulable",
            message: "add nodes".to_owned(),
        });
        let (job, decision) = (job(false, None), Decision::Wait(Phase::Plan));
        let now = Timestamp::UNIX_EPOCH;
        let status = next(&Situation {
            job: &job,
            decision: &decision,
            obstacle,
            remark: None,
            measured: None,
            now,
        });
        assert_eq!(
            words(&status),
            [
                "Ready=False Planning",
                "Reconciling=False Unschedulable",
                "Stalled=True Unschedulable",
                "Suspended=False Running"
            ]
        );
        assert_eq!(condition(&status, "Stalled").unwrap().message, "add nodes");
    }

    #[test]
    fn a_suspended_job_neither_goes_on_nor_is_stalled_nor_has_started() {
        let status = after(&job(true, None), &Decision::Wait(Phase::Plan), 100);
        assert_eq!(
            words(&status),
            [
                "Ready=False Suspended",
                "Reconciling=False Suspended",
                "Stalled=False Suspended",
                "Suspended=True Suspended"
            ]
        );
        assert_eq!(status.start_time, None);
    }

    #[test]
    fn the_end_of_a_job_is_said_once_and_kstatus_reads_it() {
        let running = after(&job(false, None), &Decision::Wait(Phase::Report), 100);
        let complete = after(&job(false, Some(running.clone())), &Decision::Complete(reported()), 200);
        assert_eq!(
            words(&complete),
            [
                "Ready=True Complete",
                "Reconciling=False Complete",
                "Stalled=False Complete",
                "Suspended=False Complete",
                "Complete=True Complete"
            ]
        );
        assert_eq!(
            (complete.progress.as_deref(), complete.objects),
            (Some("100%"), Some(reported().objects))
        );
        let failure = Failure {
            reason: "TooManyFailures".to_owned(),
            message: "too many".to_owned(),
        };
        let failed = after(
            &job(false, Some(running)),
            &Decision::Fail(failure, Some(reported())),
            200,
        );
        assert_eq!(
            words(&failed),
            [
                "Ready=False Failed",
                "Reconciling=False Failed",
                "Stalled=True TooManyFailures",
                "Suspended=False Failed",
                "Failed=True TooManyFailures"
            ]
        );
    }

    #[test]
    fn a_condition_keeps_its_transition_time_while_its_value_stays() {
        let planning = after(&job(false, None), &Decision::Plan, 100);
        let processing = after(
            &job(false, Some(planning.clone())),
            &Decision::Wait(Phase::Process),
            200,
        );
        let since =
            |status: &ImageJobStatus, type_| condition(status, type_).unwrap().last_transition_time.0.as_second();
        assert_eq!(since(&processing, "Reconciling"), 100);
        let done = after(&job(false, Some(processing)), &Decision::Complete(reported()), 300);
        assert_eq!(
            (
                since(&done, "Reconciling"),
                since(&done, "Ready"),
                since(&done, "Stalled")
            ),
            (300, 300, 100)
        );
    }

    #[test]
    fn counts_never_go_back_while_a_job_runs() {
        let planned = Planned {
            shards: 2,
            objects: 10,
            bytes: 100,
        };
        let started = after(&job(false, None), &Decision::Process(planned), 100);
        assert_eq!(
            (started.progress.as_deref(), started.shards),
            (Some("0%"), Some(ShardCounts { total: 2, done: 0 }))
        );
        let measured = |done| {
            Some(Measured {
                objects: ObjectCounts {
                    total: 10,
                    done,
                    ..ObjectCounts::default()
                },
                bytes: ByteCounts {
                    input: done * 10,
                    output: done,
                },
                shards: ShardCounts { total: 2, done: 1 },
                rate: Some(0.5),
            })
        };
        let decision = Decision::Wait(Phase::Process);
        let now = Timestamp::from_second(200).unwrap();
        let at = |status, measured| {
            let job = job(false, Some(status));
            next(&Situation {
                job: &job,
                decision: &decision,
                obstacle: None,
                remark: None,
                measured,
                now,
            })
        };
        let half = at(started, measured(5));
        assert_eq!(
            (half.progress.as_deref(), half.throughput.as_deref()),
            (Some("50%"), Some("0.50/s"))
        );
        assert_eq!(half.eta.as_ref().map(|eta| eta.0.as_second()), Some(210));
        let lost = at(half.clone(), measured(2));
        assert_eq!(
            (lost.objects, lost.bytes, lost.shards),
            (half.objects, half.bytes, half.shards)
        );
    }

    #[test]
    fn news_are_written_at_once_and_numbers_a_little_later() {
        let old = after(&job(false, None), &Decision::Wait(Phase::Process), 100);
        assert_eq!(holdback(&old, &old), None);
        let resumed = after(&job(true, Some(old.clone())), &Decision::Wait(Phase::Process), 200);
        assert_eq!(holdback(&old, &resumed), Some(SignedDuration::ZERO));
        let counted = ImageJobStatus {
            objects: Some(ObjectCounts::default()),
            ..old.clone()
        };
        assert_eq!(holdback(&old, &counted), Some(SignedDuration::from_secs(2)));
    }
}
