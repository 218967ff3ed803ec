//! Adds up the rows of all shards, one shard at a time, and holds them against the plan.

use std::{cmp::Reverse, collections::BTreeMap, collections::HashSet};

use collodion_crds::wire;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::RenditionCounts;
use crate::job::{
    Job, PhaseError, Progress,
    row::{Failure, Plan, Row, State, cover, to_lines},
    shard::{read_checkpoint, read_done},
};

/// Shards read at a time.
const READS: usize = 4;
/// Failures shown on the page.
pub(super) const SHOWN_FAILURES: usize = 100;
/// Slowest and largest images shown on the page.
const SHOWN_EXTREMES: usize = 10;
/// Images shown before and after.
const SAMPLES: usize = 4;

/// The rows of all shards, added up.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) counts: wire::Progress,
    pub(super) renditions: BTreeMap<String, RenditionCounts>,
    pub(super) reasons: BTreeMap<String, u64>,
    /// `failures.jsonl`.
    pub(super) failures: Vec<u8>,
    pub(super) shown_failures: Vec<Row>,
    pub(super) slowest: Vec<Row>,
    pub(super) largest: Vec<Row>,
    pub(super) samples: Vec<Row>,
}

/// A line of `failures.jsonl`.
#[derive(Serialize)]
struct FailureLine<'a> {
    key: &'a str,
    size: u64,
    etag: &'a str,
    #[serde(flatten)]
    failure: &'a Failure,
}

/// Reads and adds up all rows.
///
/// # Errors
/// Refuses results of which the rows, the counts and the plan don't agree.
pub(super) async fn merge(job: &Job, plan: &Plan, progress: &Progress) -> Result<Merged, PhaseError> {
    progress.expect(plan.objects);
    let mut merged = Merged::default();
    let shards = stream::iter(0u32..).zip(stream::iter(&plan.shards));
    let mut shards = shards
        .map(|(shard, planned)| rows(job, shard, planned.objects))
        .buffered(READS);
    while let Some(rows) = shards.try_next().await? {
        for row in rows {
            progress.add(&row);
            merged.add(row);
        }
    }
    let found = merged.counts.objects.finished();
    if found != plan.objects {
        return Err(disagree(format!(
            "the shards hold {found} images, the plan {}",
            plan.objects
        )));
    }
    merged.counts.objects.total = found;
    Ok(merged)
}

/// The rows of a finished shard, each image's once, in the order of the plan.
async fn rows(job: &Job, shard: u32, planned: u64) -> Result<Vec<Row>, PhaseError> {
    let done = read_done(job, shard).await?;
    let done = done.ok_or_else(|| PhaseError::Unready(format!("shard {shard} is not finished")))?;
    let reads = done.checkpoints.iter().map(|name| read_checkpoint(job, shard, name));
    let checkpoints: Vec<Vec<Row>> = stream::iter(reads).buffered(READS).try_collect().await?;
    let counted = cover(done.checkpoints.iter().zip(checkpoints.iter().map(Vec::as_slice)));
    let mut seen = HashSet::new();
    let mut rows: Vec<Row> = checkpoints
        .into_iter()
        .flatten()
        .filter(|row| seen.insert(row.row))
        .collect();
    rows.sort_unstable_by_key(|row| row.row);
    let complete = rows.len() as u64 == planned && rows.iter().zip(0..).all(|(row, n)| row.row == n);
    if !complete || counted != done {
        return Err(disagree(format!(
            "the rows of shard {shard} are not the ones it was finished with"
        )));
    }
    Ok(rows)
}

fn disagree(message: String) -> PhaseError {
    PhaseError::refused(
        "ResultsDisagree",
        format!("{message}: files of the job were changed by others"),
    )
}

impl Merged {
    fn add(&mut self, row: Row) {
        crate::job::row::count(&mut self.counts, &row);
        for output in &row.outputs {
            let RenditionCounts { written, kept, bytes } = self.renditions.entry(output.rendition.clone()).or_default();
            if output.written {
                *written += 1;
                *bytes += output.bytes;
            } else {
                *kept += 1;
            }
        }
        if let Some(failure) = &row.failure {
            *self.reasons.entry(failure.reason.clone()).or_default() += 1;
            let Row { key, size, etag, .. } = &row;
            self.failures.extend(to_lines(&[FailureLine {
                key,
                size: *size,
                etag,
                failure,
            }]));
            if self.shown_failures.len() < SHOWN_FAILURES {
                self.shown_failures.push(row.clone());
            }
        }
        if row.state != State::Failed && self.samples.len() < SAMPLES {
            self.samples.push(row.clone());
        }
        if row.state != State::Skipped {
            keep_top(&mut self.slowest, &row, |row| row.millis);
        }
        keep_top(&mut self.largest, &row, |row| row.size);
    }
}

/// Keeps the rows that are first by a measure, largest first.
fn keep_top(top: &mut Vec<Row>, row: &Row, measure: impl Fn(&Row) -> u64) {
    if top.len() < SHOWN_EXTREMES || top.last().is_some_and(|last| measure(last) < measure(row)) {
        let place = top.partition_point(|other| Reverse(measure(other)) <= Reverse(measure(row)));
        top.insert(place, row.clone());
        top.truncate(SHOWN_EXTREMES);
    }
}
