//! The report phase: merges what the shards left behind into `failures.jsonl`, `report.html` and, created once and
//! last, `report.json`.

mod html;
mod merge;
mod samples;

use std::collections::BTreeMap;

use collodion_crds::{ByteCounts, ObjectCounts};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Job, PhaseError, Progress, plan};
use crate::engine::ENGINE_VERSION;
use merge::Merged;

/// `report.json`: what became of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// UID of the job.
    pub uid: String,
    /// Name of the job.
    pub name: String,
    /// Version of the engine's output.
    pub engine: u32,
    /// When planning started.
    pub started: Timestamp,
    /// When the report was made.
    pub finished: Timestamp,
    /// Images, each in exactly one of done, skipped and failed.
    pub objects: ObjectCounts,
    /// Bytes moved.
    pub bytes: ByteCounts,
    /// Finished outputs of each rendition.
    pub renditions: BTreeMap<String, RenditionCounts>,
    /// Failed images by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Whether no more images failed than the failure policy allows.
    pub within_policy: bool,
}

/// Finished outputs of a rendition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenditionCounts {
    /// Outputs that the job wrote.
    pub written: u64,
    /// Outputs that were there and right.
    pub kept: u64,
    /// Bytes of those written.
    pub bytes: u64,
}

/// Reports on a job of which every shard is finished, or answers the report made before.
///
/// # Errors
/// Refuses results that don't add up to the plan; ends early where a shard is not finished or a store can't be used.
pub async fn report(job: &Job, progress: &Progress, stop: &CancellationToken) -> Result<Report, PhaseError> {
    if let Some(bytes) = job.read(&job.layout.report()).await? {
        return parse(job, &bytes);
    }
    let plan = plan::read(job)
        .await?
        .ok_or_else(|| PhaseError::Unready("the job is not planned yet".to_owned()))?;
    let merged = tokio::select! {
        merged = merge::merge(job, &plan, progress) => merged?,
        () = stop.cancelled() => return Err(PhaseError::Stopped),
    };
    let Merged {
        counts,
        renditions,
        reasons,
        failures,
        ..
    } = &merged;
    let report = Report {
        uid: plan.uid,
        name: plan.name,
        engine: ENGINE_VERSION,
        started: plan.started,
        finished: Timestamp::now(),
        objects: counts.objects,
        bytes: counts.bytes,
        renditions: renditions.clone(),
        reasons: reasons.clone(),
        within_policy: job
            .spec
            .failure_policy
            .max_failed
            .allows(counts.objects.failed, counts.objects.total),
    };
    let pictures = samples::pictures(job, &merged.samples).await;
    let page = html::page(job, &report, &merged, &pictures);
    job.replace(job.layout.failures(), "application/jsonl", failures.clone())
        .await?;
    job.replace(job.layout.report_html(), "text/html; charset=utf-8", page.into_bytes())
        .await?;
    let bytes = serde_json::to_vec_pretty(&report).expect("a report is plain data, which JSON can hold");
    match job.create(job.layout.report(), "application/json", bytes).await? {
        Some(bytes) => parse(job, &bytes),
        None => Ok(report),
    }
}

fn parse(job: &Job, bytes: &[u8]) -> Result<Report, PhaseError> {
    serde_json::from_slice(bytes).map_err(|error| PhaseError::corrupt(&job.layout.report(), error))
}
