//! What a status says in each situation.

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
    let since = |status: &ImageJobStatus, type_| condition(status, type_).unwrap().last_transition_time.0.as_second();
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

#[test]
fn a_finished_job_that_is_changed_has_its_new_generation_seen_and_nothing_else() {
    let done = after(&job(false, None), &Decision::Complete(reported()), 100);
    let mut changed = job(false, Some(done.clone()));
    assert_eq!(observed(&changed), None);
    changed.metadata.generation = Some(4);
    let new = observed(&changed).unwrap();
    assert_eq!(new.observed_generation, Some(4));
    assert!(
        new.conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(4))
    );
    assert_eq!(words(&new), words(&done));
}
