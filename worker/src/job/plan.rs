//! The plan phase: lists the images, once, and cuts the list into shards.
//!
//! Each shard's file is created once. A planner that finds one (its own of before a crash, or another planner's)
//! adopts it and goes on after its last key, so that no two listings are ever mixed. `plan.json` comes last.

mod claims;
mod cut;
mod probe;
mod select;

use futures::TryStreamExt;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    Job, PhaseError, Progress,
    row::{Image, Plan, PlannedShard, from_lines, to_lines},
};
use crate::{
    digest::sha256_hex,
    storage::{ErrorKind, StorageError},
};
use claims::Claims;
use cut::Cutter;
use select::Selection;

const JSON_LINES: &str = "application/jsonl";

/// What was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Shards.
    pub shards: u32,
    /// Images.
    pub objects: u64,
    /// Bytes of these images.
    pub bytes: u64,
}

/// Plans a job, or answers what was planned before.
///
/// # Errors
/// Refuses a job without images, one whose outputs would overwrite each other or be its own input, and stores that
/// don't honour conditional writes.
pub async fn plan(job: &Job, progress: &Progress, stop: &CancellationToken) -> Result<Planned, PhaseError> {
    if let Some(plan) = read(job).await? {
        return Ok(plan.summary());
    }
    let selection = Selection::new(job)?;
    probe::check(job).await?;
    let mut planner = Planner {
        job,
        progress,
        last: None,
        shards: Vec::new(),
        claims: Claims::default(),
    };
    let started = Timestamp::now();
    planner.adopt_all().await?;
    while !planner.list(&selection, stop).await? {}
    let shards = planner.shards;
    let plan = Plan {
        uid: job.uid.clone(),
        name: job.name.clone(),
        started,
        objects: shards.iter().map(|shard| shard.objects).sum(),
        bytes: shards.iter().map(|shard| shard.bytes).sum(),
        recipes: job
            .spec
            .renditions
            .iter()
            .map(|r| r.name.clone())
            .zip(job.recipes.iter().cloned())
            .collect(),
        shards,
    };
    if plan.objects == 0 {
        return Err(selection.nothing_found(job));
    }
    let bytes = serde_json::to_vec(&plan).expect("a plan is plain data, which JSON can hold");
    match job.create(job.layout.plan(), "application/json", bytes).await? {
        Some(bytes) => Ok(parse(job, &bytes)?.summary()),
        None => Ok(plan.summary()),
    }
}

/// Reads the plan, if there is one by now.
pub(super) async fn read(job: &Job) -> Result<Option<Plan>, PhaseError> {
    job.read(&job.layout.plan())
        .await?
        .map(|bytes| parse(job, &bytes))
        .transpose()
}

fn parse(job: &Job, bytes: &[u8]) -> Result<Plan, PhaseError> {
    serde_json::from_slice(bytes).map_err(|error| PhaseError::corrupt(&job.layout.plan(), error))
}

/// A plan under way.
struct Planner<'a> {
    job: &'a Job,
    progress: &'a Progress,
    /// Key of the last image in a shard.
    last: Option<String>,
    shards: Vec<PlannedShard>,
    claims: Claims,
}

impl Planner<'_> {
    /// Takes over the shards that are there already.
    async fn adopt_all(&mut self) -> Result<(), PhaseError> {
        loop {
            let key = self.job.layout.shard(self.next());
            match self.job.read(&key).await? {
                Some(bytes) => self.take(&bytes).await?,
                None => return Ok(()),
            }
        }
    }

    /// Lists from the last shard on to the end; false where another planner's shard came in between, so that the
    /// listing has to go on from there.
    async fn list(&mut self, selection: &Selection, stop: &CancellationToken) -> Result<bool, PhaseError> {
        let mut listing = self.job.input.list("", self.last.as_deref());
        let mut cutter = Cutter::new(self.job.spec.shard, self.next());
        let mut previous = self.last.clone();
        while let Some(entry) = listing.try_next().await.map_err(|error| not_listed(self.job, error))? {
            if stop.is_cancelled() {
                return Err(PhaseError::Stopped);
            }
            if previous.is_some_and(|previous| entry.key <= previous) {
                return Err(unordered(self.job, &entry.key));
            }
            previous = Some(entry.key.clone());
            if !selection.takes(&entry) {
                continue;
            }
            let image = Image {
                key: entry.key,
                size: entry.size,
                etag: entry.etag,
            };
            if let Some(full) = cutter.push(image)
                && !self.create(&full).await?
            {
                return Ok(false);
            }
        }
        let rest = cutter.finish();
        Ok(rest.is_empty() || self.create(&rest).await?)
    }

    /// Creates the next shard; false where another one was there, which is then adopted.
    async fn create(&mut self, images: &[Image]) -> Result<bool, PhaseError> {
        let bytes = to_lines(images);
        let key = self.job.layout.shard(self.next());
        match self.job.create(key, JSON_LINES, bytes.clone()).await? {
            Some(other) if other != bytes => {
                self.take(&other).await?;
                Ok(false)
            }
            _ => {
                self.take(&bytes).await?;
                Ok(true)
            }
        }
    }

    /// Makes a shard that is in the store part of the plan.
    async fn take(&mut self, bytes: &[u8]) -> Result<(), PhaseError> {
        let images = images(self.job, self.next(), bytes)?;
        self.claims.add(self.job, self.next(), &images).await?;
        self.last = images.last().map(|image| image.key.clone()).or(self.last.take());
        let objects = images.len() as u64;
        let shard_bytes = images.iter().map(|image| image.size).sum();
        self.shards.push(PlannedShard {
            objects,
            bytes: shard_bytes,
            sha256: sha256_hex(bytes),
        });
        self.progress.expect(objects);
        Ok(())
    }

    fn next(&self) -> u32 {
        u32::try_from(self.shards.len()).expect("fewer than 10,000 shards")
    }
}

/// The images of a shard's file.
pub(super) fn images(job: &Job, shard: u32, bytes: &[u8]) -> Result<Vec<Image>, PhaseError> {
    let images: Result<_, _> = from_lines(bytes).collect();
    images.map_err(|error| PhaseError::corrupt(&job.layout.shard(shard), error))
}

/// Going on after a key means what it should only where keys ascend.
fn unordered(job: &Job, key: &str) -> PhaseError {
    let message = format!(
        "the store of {} lists {key} after a later key: a job needs a store that lists keys in the order of their bytes",
        job.input.uri("")
    );
    PhaseError::refused("UnorderedListing", message)
}

fn not_listed(job: &Job, error: StorageError) -> PhaseError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NoBucket => PhaseError::refused(
            "InputNotFound",
            format!("there is no folder {}: check spec.input.location", job.input.uri("")),
        ),
        ErrorKind::Invalid => PhaseError::refused("InputNotReadable", super::chain(&error)),
        _ => error.into(),
    }
}

impl Plan {
    fn summary(&self) -> Planned {
        let shards = u32::try_from(self.shards.len()).expect("fewer than 10,000 shards");
        Planned {
            shards,
            objects: self.objects,
            bytes: self.bytes,
        }
    }
}
