//! The numbers of a status: counts, speed, and when it will be done.

use collodion_crds::{ByteCounts, ImageJobStatus, ObjectCounts, ShardCounts};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

use super::{
    Phase,
    conditions::time,
    phase::{Decision, Planned, Reported},
};

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

/// The report's word is final.
pub fn count(status: &mut ImageJobStatus, reported: &Reported) {
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
pub fn measure(status: &mut ImageJobStatus, decision: &Decision, measured: Option<Measured>, now: Timestamp) {
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

/// `1 image`, `2 images`.
pub fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
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
