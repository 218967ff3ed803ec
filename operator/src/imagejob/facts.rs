//! From what the cluster holds to the few facts that decide what comes next.

use collodion_crds::{ImageJob, wire::Outcome};
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::{SignedDuration, Timestamp},
};

use super::{
    Phase, conditions,
    dereference::Children,
    phase::{Child, Facts, Planned},
    pods,
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
    let resumed = conditions::condition(status, "Suspended")
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_deadline_runs_from_the_start_or_the_last_resumption_and_not_while_suspended() {
        let job = |suspend, resumed: &str| -> ImageJob {
            let condition = json!({
                "type": "Suspended", "status": "False", "reason": "Running", "message": "", "lastTransitionTime": resumed,
            });
            serde_json::from_value(json!({
                "apiVersion": "collodion.dev/v1alpha1", "kind": "ImageJob", "metadata": {},
                "spec": {
                    "input": {"location": "s3://a/"}, "output": {"location": "s3://b/"}, "renditions": [],
                    "suspend": suspend, "activeDeadlineSeconds": 60,
                },
                "status": {"startTime": "2025-01-01T00:00:00Z", "conditions": [condition]},
            }))
            .unwrap()
        };
        let now = "2025-01-01T00:00:50Z".parse().unwrap();
        let left = |job| time_left(&job, now).map(|left| left.as_secs());
        assert_eq!(left(job(false, "2025-01-01T00:00:00Z")), Some(10));
        assert_eq!(left(job(false, "2025-01-01T00:00:40Z")), Some(50));
        assert_eq!(left(job(true, "2025-01-01T00:00:00Z")), None);
    }
}
