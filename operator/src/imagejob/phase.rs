//! Which phase an ImageJob is in and what comes next. A pure function of what was found: no clock, no client, and no
//! memory of its own, so that any operator comes to the same answer at any time.

use std::fmt;

use collodion_crds::{ByteCounts, ObjectCounts, wire::Outcome};

/// A phase of an ImageJob, each one Kubernetes Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Cuts the input into shards.
    Plan,
    /// Makes the renditions, shard by shard.
    Process,
    /// Merges the results.
    Report,
}

/// What a plan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Shards.
    pub shards: u32,
    /// Images.
    pub objects: u64,
    /// Bytes of these images.
    pub bytes: u64,
}

/// What the report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// All images of the job.
    pub objects: ObjectCounts,
    /// All bytes moved.
    pub bytes: ByteCounts,
    /// Whether no more images failed than the failure policy allows.
    pub within_policy: bool,
    /// Location of `report.html`.
    pub report: String,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In CamelCase.
    pub reason: String,
    /// What happened and what to do about it.
    pub message: String,
}

/// The Job of a phase, as found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Child {
    /// It does not exist.
    #[default]
    Absent,
    /// It is being deleted.
    Leaving,
    /// It is neither complete nor failed; perhaps it is suspended.
    Running,
    /// It is complete. None where its pod's message can't be had any more.
    Complete(Option<Outcome>),
    /// Kubernetes gave it up, with this message.
    Failed(String),
}

/// Everything that the next step depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether the snapshot exists.
    pub snapshot: bool,
    /// The plan Job.
    pub plan: Child,
    /// The process Job.
    pub process: Child,
    /// The report Job.
    pub report: Child,
    /// A refusal that a pod left.
    pub refused: Option<Failure>,
    /// Whether the active deadline has passed.
    pub overdue: bool,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make the snapshot.
    Start,
    /// Make the plan Job.
    Plan,
    /// Make the process Job.
    Process(Planned),
    /// Make the report Job.
    Report,
    /// Delete the Job of a phase, to be made again: it is complete but what it said is lost.
    Repeat(Phase),
    /// Wait for the Job of a phase.
    Wait(Phase),
    /// The job is complete.
    Complete(Reported),
    /// The job has failed; with a report if it came that far.
    Fail(Failure, Option<Reported>),
}

/// The next step of a job that is not over.
pub fn decide(facts: &Facts) -> Decision {
    let Facts {
        snapshot,
        plan,
        process,
        report,
        refused,
        overdue,
    } = facts;
    if let Child::Complete(Some(Outcome::Reported {
        objects,
        bytes,
        within_policy,
        report,
    })) = report
    {
        return conclude(Reported {
            objects: *objects,
            bytes: *bytes,
            within_policy: *within_policy,
            report: report.clone(),
        });
    }
    if let Some(failure) = refused {
        return Decision::Fail(failure.clone(), None);
    }
    for (phase, child) in [(Phase::Report, report), (Phase::Process, process), (Phase::Plan, plan)] {
        if let Child::Failed(message) = child {
            let message = format!("Kubernetes gave up the {phase} Job: {message}");
            return Decision::Fail(
                Failure {
                    reason: "JobFailed".to_owned(),
                    message,
                },
                None,
            );
        }
    }
    if *overdue {
        let message = "the job ran longer than activeDeadlineSeconds; what it made so far stays";
        return Decision::Fail(
            Failure {
                reason: "DeadlineExceeded".to_owned(),
                message: message.to_owned(),
            },
            None,
        );
    }
    if !snapshot {
        return Decision::Start;
    }
    match (report, process, plan) {
        (Child::Complete(_), ..) => Decision::Repeat(Phase::Report),
        (Child::Running | Child::Leaving, ..) => Decision::Wait(Phase::Report),
        (_, Child::Complete(_), _) => Decision::Report,
        (_, Child::Running | Child::Leaving, _) => Decision::Wait(Phase::Process),
        (_, _, Child::Complete(Some(Outcome::Planned { shards, objects, bytes }))) => Decision::Process(Planned {
            shards: *shards,
            objects: *objects,
            bytes: *bytes,
        }),
        (_, _, Child::Complete(_)) => Decision::Repeat(Phase::Plan),
        (_, _, Child::Running | Child::Leaving) => Decision::Wait(Phase::Plan),
        (_, _, Child::Absent | Child::Failed(_)) => Decision::Plan,
    }
}

fn conclude(reported: Reported) -> Decision {
    if reported.within_policy {
        return Decision::Complete(reported);
    }
    let ObjectCounts { total, failed, .. } = reported.objects;
    let message = format!(
        "{failed} of {total} images failed, more than failurePolicy.maxFailed allows; {} and failures.jsonl beside it say which and why",
        reported.report
    );
    Decision::Fail(
        Failure {
            reason: "TooManyFailures".to_owned(),
            message,
        },
        Some(reported),
    )
}

// === impl Decision ===

impl Decision {
    /// The phase that a job is in with this step.
    pub fn phase(&self) -> Option<Phase> {
        match self {
            Self::Start | Self::Plan => Some(Phase::Plan),
            Self::Process(_) => Some(Phase::Process),
            Self::Report => Some(Phase::Report),
            Self::Repeat(phase) | Self::Wait(phase) => Some(*phase),
            Self::Complete(_) | Self::Fail(..) => None,
        }
    }
}

// === impl Phase ===

impl fmt::Display for Phase {
    /// As in names and labels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plan => "plan",
            Self::Process => "process",
            Self::Report => "report",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANNED: Planned = Planned {
        shards: 3,
        objects: 60,
        bytes: 6000,
    };

    fn planned() -> Child {
        let Planned { shards, objects, bytes } = PLANNED;
        Child::Complete(Some(Outcome::Planned { shards, objects, bytes }))
    }

    fn reported(within_policy: bool) -> Reported {
        let objects = ObjectCounts {
            total: 60,
            done: 50,
            skipped: 4,
            failed: 6,
        };
        let bytes = ByteCounts {
            input: 6000,
            output: 600,
        };
        Reported {
            objects,
            bytes,
            within_policy,
            report: "s3://out/report.html".to_owned(),
        }
    }

    fn report(within_policy: bool) -> Child {
        let Reported {
            objects,
            bytes,
            within_policy,
            report,
        } = reported(within_policy);
        Child::Complete(Some(Outcome::Reported {
            objects,
            bytes,
            within_policy,
            report,
        }))
    }

    fn facts(plan: Child, process: Child, report: Child) -> Facts {
        Facts {
            snapshot: true,
            plan,
            process,
            report,
            ..Facts::default()
        }
    }

    #[test]
    fn each_phase_follows_from_the_end_of_the_one_before() {
        use Child::{Absent, Complete, Leaving, Running};
        for (plan, process, report, decision) in [
            (Absent, Absent, Absent, Decision::Plan),
            (Running, Absent, Absent, Decision::Wait(Phase::Plan)),
            (planned(), Absent, Absent, Decision::Process(PLANNED)),
            (planned(), Running, Absent, Decision::Wait(Phase::Process)),
            (planned(), Complete(None), Absent, Decision::Report),
            (planned(), Complete(None), Running, Decision::Wait(Phase::Report)),
            (Leaving, Absent, Absent, Decision::Wait(Phase::Plan)),
            (planned(), Leaving, Absent, Decision::Wait(Phase::Process)),
        ] {
            let facts = facts(plan, process, report);
            assert_eq!(decide(&facts), decision, "{facts:?}");
        }
    }

    #[test]
    fn a_job_without_a_snapshot_starts_with_one() {
        assert_eq!(decide(&Facts::default()), Decision::Start);
        assert_eq!(
            decide(&Facts {
                plan: Child::Running,
                ..Facts::default()
            }),
            Decision::Start
        );
    }

    #[test]
    fn a_phase_whose_message_is_lost_is_repeated() {
        use Child::{Absent, Complete};
        assert_eq!(
            decide(&facts(Complete(None), Absent, Absent)),
            Decision::Repeat(Phase::Plan)
        );
        assert_eq!(
            decide(&facts(planned(), Complete(None), Complete(None))),
            Decision::Repeat(Phase::Report)
        );
    }

    #[test]
    fn children_that_someone_deleted_are_made_again() {
        use Child::{Absent, Complete, Running};
        assert_eq!(decide(&facts(planned(), Absent, Absent)), Decision::Process(PLANNED));
        assert_eq!(decide(&facts(Absent, Running, Absent)), Decision::Wait(Phase::Process));
        assert_eq!(decide(&facts(Absent, Complete(None), Absent)), Decision::Report);
        assert_eq!(decide(&facts(Absent, Absent, Running)), Decision::Wait(Phase::Report));
    }

    #[test]
    fn the_report_decides_between_complete_and_failed() {
        let end = |within| decide(&facts(planned(), Child::Complete(None), report(within)));
        assert_eq!(end(true), Decision::Complete(reported(true)));
        let Decision::Fail(failure, Some(report)) = end(false) else {
            panic!("{:?}", end(false))
        };
        assert_eq!((failure.reason.as_str(), report), ("TooManyFailures", reported(false)));
    }

    #[test]
    fn a_refusal_fails_the_job_with_its_own_words() {
        let failure = Failure {
            reason: "InputNotFound".to_owned(),
            message: "no such bucket".to_owned(),
        };
        let facts = Facts {
            refused: Some(failure.clone()),
            ..facts(Child::Running, Child::Absent, Child::Absent)
        };
        assert_eq!(decide(&facts), Decision::Fail(failure, None));
    }

    #[test]
    fn a_job_past_its_deadline_fails_unless_its_report_is_written() {
        let late = |facts| Facts { overdue: true, ..facts };
        let running = late(facts(planned(), Child::Running, Child::Absent));
        assert!(matches!(decide(&running), Decision::Fail(failure, None) if failure.reason == "DeadlineExceeded"));
        let written = late(facts(planned(), Child::Complete(None), report(true)));
        assert_eq!(decide(&written), Decision::Complete(reported(true)));
    }

    #[test]
    fn a_job_that_kubernetes_gave_up_fails_with_its_message() {
        let facts = facts(
            planned(),
            Child::Failed("deadline was exceeded".to_owned()),
            Child::Absent,
        );
        assert!(
            matches!(decide(&facts), Decision::Fail(failure, None) if failure.message.contains("deadline was exceeded"))
        );
    }
}
