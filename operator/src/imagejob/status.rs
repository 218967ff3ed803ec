//! The status that an ImageJob should have, and writing it.
//!
//! Conditions follow kstatus, so that Flux and kpt can wait for a job: Reconciling while it goes on, Stalled when
//! someone has to do something, Ready once it is complete. Complete and Failed appear once and for ever.

use collodion_crds::{ByteCounts, ImageJob, ImageJobStatus, ObjectCounts, ShardCounts};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time},
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
    dereference::imagejobs,
    phase::{Decision, Failure, Planned, Reported},
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

/// How far processing is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Images.
    pub objects: ObjectCounts,
    /// Bytes.
    pub bytes: ByteCounts,
    /// Shards.
    pub shards: ShardCounts,
    /// Images a second.
    pub rate: Option<f64>,
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

/// A condition of a status by its type.
pub fn condition<'a>(status: &'a ImageJobStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether a condition of a status is true.
pub fn is_true(status: &ImageJobStatus, type_: &str) -> bool {
    condition(status, type_).is_some_and(|condition| condition.status == "True")
}

/// Whether a job is over, and so never runs again.
pub fn is_terminal(job: &ImageJob) -> bool {
    job.status
        .as_ref()
        .is_some_and(|status| is_true(status, "Complete") || is_true(status, "Failed"))
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
    let (namespace, name) = (
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let object = json!({
        "apiVersion": ImageJob::api_version(&()),
        "kind": ImageJob::kind(&()),
        "metadata": {"name": name, "uid": metadata.uid, "resourceVersion": metadata.resource_version},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    match imagejobs(client.clone(), namespace)
        .patch_status(name, &params, &Patch::Apply(&object))
        .await
    {
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
        Some(Phase::Report) => ("Reporting", format!("merging the results of {} shards", shards.total)),
    }
}

fn summary(reported: &Reported) -> String {
    let ObjectCounts {
        total,
        done,
        skipped,
        failed,
    } = reported.objects;
    format!(
        "{total} images: {done} done, {skipped} skipped, {failed} failed; see {}",
        reported.report
    )
}

/// The report's word is final.
fn count(status: &mut ImageJobStatus, reported: &Reported) {
    let Reported {
        objects,
        bytes,
        within_policy: _,
        report,
    } = reported;
    status.objects = Some(*objects);
    status.bytes = Some(*bytes);
    status.report = Some(report.clone());
    status.progress = Some(percent(objects));
    if let Some(shards) = &mut status.shards {
        shards.done = shards.total;
    }
}

/// Counts of a running phase never go back: what a lost pod had told stays told.
fn measure(status: &mut ImageJobStatus, decision: &Decision, measured: Option<Measured>, now: Timestamp) {
    if let Decision::Process(Planned {
        shards,
        objects,
        bytes: _,
    }) = decision
    {
        let told = status.objects.unwrap_or_default();
        status.objects = Some(ObjectCounts {
            total: *objects,
            ..told
        });
        status.shards = Some(ShardCounts {
            total: u64::from(*shards),
            done: status.shards.unwrap_or_default().done,
        });
    }
    if let Some(Measured {
        objects,
        bytes,
        shards,
        rate,
    }) = measured
    {
        let ObjectCounts {
            total,
            done,
            skipped,
            failed,
        } = objects;
        let told = status.objects.unwrap_or_default();
        let (done, skipped, failed) = (done.max(told.done), skipped.max(told.skipped), failed.max(told.failed));
        status.objects = Some(ObjectCounts {
            total,
            done,
            skipped,
            failed,
        });
        let told = status.bytes.unwrap_or_default();
        status.bytes = Some(ByteCounts {
            input: bytes.input.max(told.input),
            output: bytes.output.max(told.output),
        });
        status.shards = Some(ShardCounts {
            done: shards.done.max(status.shards.unwrap_or_default().done),
            ..shards
        });
        status.throughput = rate.map(speed);
        status.eta = rate.and_then(|rate| eta(status.objects?, rate, now));
    }
    if matches!(decision.phase(), Some(Phase::Report)) {
        status.eta = None;
    }
    status.progress = status.objects.as_ref().map(percent);
}

fn percent(objects: &ObjectCounts) -> String {
    let share = (u128::from(objects.finished()) * 100)
        .checked_div(u128::from(objects.total))
        .unwrap_or(100);
    format!("{}%", share.min(100))
}

fn speed(rate: f64) -> String {
    if rate < 1.0 {
        format!("{rate:.2}/s")
    } else {
        format!("{rate:.1}/s")
    }
}

fn eta(objects: ObjectCounts, rate: f64, now: Timestamp) -> Option<Time> {
    let left = objects.total.saturating_sub(objects.finished());
    let seconds = left as f64 / rate;
    let year = 366.0 * 86400.0;
    (rate > 0.0 && seconds < year).then(|| time(now + SignedDuration::from_secs(seconds as i64)))
}

/// Seconds suffice, and survive being stored.
fn time(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// Conditions being set.
struct Draft<'a> {
    conditions: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl<'a> Draft<'a> {
    fn new(status: &'a mut ImageJobStatus, generation: Option<i64>, now: Timestamp) -> Self {
        status.observed_generation = generation;
        Self {
            conditions: &mut status.conditions,
            generation,
            now,
        }
    }

    fn set(&mut self, type_: &str, value: bool, reason: &str, message: &str) {
        let value = if value { "True" } else { "False" };
        let before = self.conditions.iter().position(|condition| condition.type_ == type_);
        let unchanged = before
            .map(|i| &self.conditions[i])
            .filter(|condition| condition.status == value);
        let condition = Condition {
            type_: type_.to_owned(),
            status: value.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: self.generation,
            last_transition_time: unchanged.map_or_else(|| time(self.now), |c| c.last_transition_time.clone()),
        };
        match before {
            Some(i) => self.conditions[i] = condition,
            None => self.conditions.push(condition),
        }
    }
}
