//! The process phase: works on one shard until each of its images is accounted for.
//!
//! Finished rows go to checkpoints, objects of their own; whoever works on the shard next reads them all and goes on
//! with the rest. `done.json`, created once and last, names the checkpoints that count.

mod checkpoint;
mod image;
mod write;

use std::{num::NonZeroUsize, sync::Arc, thread, time::Duration};

use collodion_crds::wire;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Job, PhaseError, Progress, plan,
    row::{Done, Image, Plan, Row, cover},
};
use crate::{digest::sha256_hex, storage::StorageError};
use checkpoint::Checkpoints;
pub(super) use checkpoint::read_one as read_checkpoint;
use image::Workshop;

/// A checkpoint is written when it holds this many rows …
const CHECKPOINT_ROWS: usize = 200;
/// … or its first row has waited this long.
const CHECKPOINT_AGE: Duration = Duration::from_secs(5);
/// Images in a row that a store fails before no more are started: a single one can be the object's own fault.
const STORE_FAILURES: usize = 8;
/// Images under way at a time, for each core: most wait for the store.
const IMAGES_PER_CORE: usize = 4;

/// Works on one shard of a planned job as the pod `pod`, whose name no other process uses.
///
/// # Errors
/// Ends early, with everything finished kept, when told to stop and when a store can't be used.
pub async fn process(
    job: &Arc<Job>,
    shard: u32,
    pod: &str,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<wire::Progress, PhaseError> {
    let plan = plan::read(job)
        .await?
        .ok_or_else(|| PhaseError::Unready("the job is not planned yet".to_owned()))?;
    if let Some(done) = read_done(job, shard).await? {
        progress.set(done.counts);
        return Ok(done.counts);
    }
    let images = read_images(job, &plan, shard).await?;
    progress.expect(images.len() as u64);
    let mut checkpoints = Checkpoints::read(job, shard, pod).await?;
    let finished = checkpoints.finished(images.len());
    finished.values().for_each(|row| progress.add(row));
    tracing::info!(
        shard,
        images = images.len(),
        finished = finished.len(),
        "working on the shard"
    );

    let todo = images
        .iter()
        .cloned()
        .zip(0..)
        .filter(|(_, row)| !finished.contains_key(row))
        .collect();
    let ended = work(job, todo, &mut checkpoints, progress, stop).await;
    checkpoints.flush(job).await?;
    ended?;

    let done = finish(job, shard, images.len()).await?;
    progress.set(done.counts);
    Ok(done.counts)
}

/// Works on images, as many at a time as there is room for, and gathers their rows.
async fn work(
    job: &Arc<Job>,
    todo: Vec<(Image, u32)>,
    checkpoints: &mut Checkpoints,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<(), PhaseError> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workshop = Arc::new(Workshop::new(Arc::clone(job), cores));
    let mut todo = todo.into_iter();
    let mut under_way: JoinSet<Result<Row, StorageError>> = JoinSet::new();
    let mut end = None;
    let mut failures = 0;
    loop {
        while failures < STORE_FAILURES && !stop.is_cancelled() && under_way.len() < cores * IMAGES_PER_CORE {
            let Some((image, row)) = todo.next() else { break };
            let workshop = Arc::clone(&workshop);
            under_way.spawn(async move { workshop.make(image, row).await });
        }
        let due = checkpoints.oldest().map(|since| since + CHECKPOINT_AGE);
        tokio::select! {
            finished = under_way.join_next() => match finished {
                Some(Ok(Ok(row))) => {
                    failures = 0;
                    progress.add(&row);
                    checkpoints.add(row);
                }
                Some(Ok(Err(error))) => {
                    tracing::error!(error = super::chain(&error), "an image is left for another try");
                    failures += 1;
                    end.get_or_insert(PhaseError::Storage(error));
                }
                Some(Err(error)) => {
                    failures = STORE_FAILURES;
                    end.get_or_insert(PhaseError::Unready(format!("a task of this worker ended: {error}")));
                }
                None if stop.is_cancelled() && todo.len() > 0 => return Err(PhaseError::Stopped),
                None => return end.map_or(Ok(()), Err),
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => checkpoints.flush(job).await?,
        }
        if checkpoints.pending() >= CHECKPOINT_ROWS {
            checkpoints.flush(job).await?;
        }
    }
}

async fn read_images(job: &Job, plan: &Plan, shard: u32) -> Result<Vec<Image>, PhaseError> {
    let planned = plan.shards.get(shard as usize);
    let planned = planned.ok_or_else(|| {
        PhaseError::refused(
            "NoSuchShard",
            format!("shard {shard} is not one of the plan's {}", plan.shards.len()),
        )
    })?;
    let key = job.layout.shard(shard);
    let bytes = job
        .read(&key)
        .await?
        .ok_or_else(|| PhaseError::corrupt(&key, "it is gone"))?;
    if sha256_hex(&bytes) != planned.sha256 {
        return Err(PhaseError::corrupt(&key, "it is not the one that was planned"));
    }
    plan::images(job, shard, &bytes)
}

/// A shard's `done.json`, if it is there.
pub(super) async fn read_done(job: &Job, shard: u32) -> Result<Option<Done>, PhaseError> {
    job.read(&job.layout.done(shard))
        .await?
        .map(|bytes| parse_done(job, shard, &bytes))
        .transpose()
}

fn parse_done(job: &Job, shard: u32, bytes: &[u8]) -> Result<Done, PhaseError> {
    serde_json::from_slice(bytes).map_err(|error| PhaseError::corrupt(&job.layout.done(shard), error))
}

/// Creates `done.json` from all checkpoints there are, those of other pods included.
async fn finish(job: &Job, shard: u32, images: usize) -> Result<Done, PhaseError> {
    let checkpoints = checkpoint::read_all(job, shard).await?;
    let done = cover(checkpoints.iter().map(|(name, rows)| (name, rows.as_slice())));
    if done.counts.objects.total != images as u64 {
        let found = done.counts.objects.total;
        return Err(PhaseError::Unready(format!(
            "the checkpoints hold {found} rows of {images}"
        )));
    }
    let bytes = serde_json::to_vec(&done).expect("counts are plain data, which JSON can hold");
    match job.create(job.layout.done(shard), "application/json", bytes).await? {
        Some(bytes) => parse_done(job, shard, &bytes),
        None => Ok(done),
    }
}
