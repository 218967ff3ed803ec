//! From what the cluster holds to the few facts that decide what comes next.

use collodion_crds::{ImageJob, wire::Outcome};
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::{SignedDuration, Timestamp},
};

use super::{
    Phase,
    dereference::Children,
    phase::{Child, Facts, Planned},
    pods, status,
};

/// The facts of a job that is not over.
pub fn gather(job: &ImageJob, children: &Children, now: Timestamp) -> Facts {
    let Children {
        snapshot,
        plan,
        process,
        report,
        pods: found,
        warning: _,
    } = children;
    let current = children.current().map(|(phase, _)| phase);
    let child = |phase: Phase, job: &Option<Job>| {
        let said = || {
            found
                .iter()
                .filter(|pod| pods::life(pod) == "Succeeded")
                .find_map(|pod| pods::outcome(pod))
        };
        job.as_ref().map_or(Child::Absent, |job| {
            read(job, || said().filter(|_| current == Some(phase)))
        })
    };
    Facts {
        snapshot: snapshot.is_some(),
        plan: child(Phase::Plan, plan),
        process: child(Phase::Process, process),
        report: child(Phase::Report, report),
        refused: pods::refusal(found.iter().map(AsRef::<Pod>::as_ref)),
        overdue: time_left(job, now).is_some_and(|left| left <= SignedDuration::ZERO),
    }
}

/// Time until the active deadline, which runs from the start or from the last time the job was resumed. None without
/// a deadline and while suspended.
pub fn time_left(job: &ImageJob, now: Timestamp) -> Option<SignedDuration> {
    let seconds = job.spec.active_deadline_seconds.filter(|_| !job.spec.suspend)?;
    let status = job.status.as_ref()?;
    let started = status.start_time.as_ref()?.0;
    let resumed = status::condition(status, "Suspended")
        .filter(|c| c.status == "False")
        .map(|c| c.last_transition_time.0);
    let since = resumed.map_or(started, |resumed| resumed.max(started));
    Some(SignedDuration::from_secs(seconds) - now.duration_since(since))
}

/// The plan that a process Job was made from.
pub fn planned(process: &Job) -> Option<Planned> {
    let text = process.metadata.annotations.as_ref()?.get(super::build::PLAN)?;
    match serde_json::from_str(text).ok()? {
        Outcome::Planned { shards, objects, bytes } => Some(Planned { shards, objects, bytes }),
        _ => None,
    }
}

/// Whether a Job is over, one way or the other.
pub fn finished(job: &Job) -> bool {
    condition(job, "Complete")
        .or_else(|| condition(job, "Failed"))
        .is_some()
}

fn read(job: &Job, said: impl FnOnce() -> Option<Outcome>) -> Child {
    if job.metadata.deletion_timestamp.is_some() {
        Child::Leaving
    } else if condition(job, "Complete").is_some() {
        Child::Complete(said())
    } else if let Some(message) = condition(job, "Failed") {
        Child::Failed(message.to_owned())
    } else {
        Child::Running
    }
}

/// The message of a Job's condition, if the condition is true.
fn condition<'a>(job: &'a Job, type_: &str) -> Option<&'a str> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|c| c.type_ == type_ && c.status == "True")?;
    Some(condition.message.as_deref().unwrap_or_default())
}
