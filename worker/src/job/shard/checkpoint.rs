//! Checkpoints of a shard: rows in objects of their own, as S3 can't append.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt;
use tokio::time::Instant;

use crate::{
    job::{
        Job, PhaseError,
        row::{Row, from_lines, to_lines},
    },
    storage::StorageError,
};

/// Checkpoints read at a time.
const READS: usize = 8;

/// The checkpoints of a shard as one pod sees them, and its rows that are in none yet.
pub(super) struct Checkpoints {
    shard: u32,
    pod: String,
    /// Number of the pod's next checkpoint.
    next: u32,
    earlier: BTreeMap<String, Vec<Row>>,
    rows: Vec<Row>,
    oldest: Option<Instant>,
}

impl Checkpoints {
    /// Reads what earlier pods left.
    pub(super) async fn read(job: &Job, shard: u32, pod: &str) -> Result<Self, PhaseError> {
        let earlier = read_all(job, shard).await?;
        Ok(Self {
            shard,
            pod: pod.to_owned(),
            next: 0,
            earlier,
            rows: Vec::new(),
            oldest: None,
        })
    }

    /// The rows that earlier pods finished, by number.
    pub(super) fn finished(&self, images: usize) -> HashMap<u32, &Row> {
        let rows = self
            .earlier
            .values()
            .flatten()
            .filter(|row| (row.row as usize) < images);
        rows.map(|row| (row.row, row)).collect()
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
        self.oldest.get_or_insert_with(Instant::now);
    }

    /// Rows that are in no checkpoint yet.
    pub(super) fn pending(&self) -> usize {
        self.rows.len()
    }

    /// Since when the oldest of them waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.oldest
    }

    /// Writes the rows that are in no checkpoint yet to one.
    pub(super) async fn flush(&mut self, job: &Job) -> Result<(), StorageError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let lines = to_lines(&self.rows);
        loop {
            let key = format!("{}{}-{}.jsonl", job.layout.results(self.shard), self.pod, self.next);
            self.next += 1;
            match job.create(key, "application/jsonl", lines.clone()).await? {
                // Left by an earlier process of the same pod.
                Some(other) if other != lines => {}
                _ => break,
            }
        }
        self.rows.clear();
        self.oldest = None;
        Ok(())
    }
}

/// All checkpoints of a shard, by name.
pub(super) async fn read_all(job: &Job, shard: u32) -> Result<BTreeMap<String, Vec<Row>>, PhaseError> {
    let folder = job.layout.results(shard);
    let listing = job.output.list(&folder, None).map_err(PhaseError::from);
    let names = listing.try_filter_map(|entry| {
        let name = entry.key.strip_prefix(&folder).filter(|name| name.ends_with(".jsonl"));
        let name = name.map(str::to_owned);
        async { Ok(name) }
    });
    let checkpoints = names.map_ok(|name| async {
        let rows = read_one(job, shard, &name).await?;
        Ok((name, rows))
    });
    checkpoints.try_buffer_unordered(READS).try_collect().await
}

/// The rows of one checkpoint.
pub(in crate::job) async fn read_one(job: &Job, shard: u32, name: &str) -> Result<Vec<Row>, PhaseError> {
    let key = format!("{}{name}", job.layout.results(shard));
    let bytes = job
        .read(&key)
        .await?
        .ok_or_else(|| PhaseError::corrupt(&key, "it is gone"))?;
    let rows: Result<_, _> = from_lines(&bytes).collect();
    rows.map_err(|error| PhaseError::corrupt(&key, error))
}
