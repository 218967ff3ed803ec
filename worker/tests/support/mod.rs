//! Folders of pictures and jobs on them.

#![allow(dead_code, unreachable_pub, reason = "each test binary takes what it needs")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use collodion::job::{self, Job, PhaseError, Progress, plan::Planned, report::Report};
use collodion_crds::{ImageJob, wire};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// An input and an output folder.
pub struct Studio {
    folder: TempDir,
}

impl Studio {
    /// Empty folders.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        Self { folder }
    }

    /// Folders with this many pictures named `00.png`, `01.png`, …
    pub fn with_pictures(count: u32) -> Self {
        let studio = Self::new();
        for n in 0..count {
            studio.add(&format!("{n:02}.png"), &picture(n, 40, 30));
        }
        studio
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn add(&self, key: &str, bytes: &[u8]) {
        let path = self.path("in").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A new job on the folders; `change` may change its spec.
    pub fn manifest(&self, change: impl FnOnce(&mut Value)) -> ImageJob {
        let mut spec = json!({
            "input": {"location": format!("file://{}/", self.path("in").display())},
            "output": {"location": format!("file://{}/", self.path("out").display())},
            "renditions": [
                {"name": "small", "steps": [{"resize": {"width": 16, "height": 16, "fit": "cover"}}], "encode": {"format": "webp"}},
                {"name": "same", "steps": [{"resize": {"width": 20}}]},
            ],
            "shard": {"objects": 5},
        });
        change(&mut spec);
        let uid = uuid::Uuid::new_v4().to_string();
        let job = json!({
            "apiVersion": "collodion.dev/v1alpha1", "kind": "ImageJob",
            "metadata": {"name": "test", "uid": uid}, "spec": spec,
        });
        serde_json::from_value(job).unwrap()
    }

    /// As [`Self::manifest`], opened.
    pub async fn job(&self, change: impl FnOnce(&mut Value)) -> Arc<Job> {
        Arc::new(Job::open(self.manifest(change), None).await.unwrap())
    }

    /// The finished outputs, by key.
    pub fn outputs(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.path("out"))
            .into_iter()
            .filter(|(key, _)| !key.starts_with("_collodion/"))
            .collect()
    }

    /// The files of jobs whose keys end like this.
    pub fn job_files(&self, end: &str) -> Vec<PathBuf> {
        let files = files(&self.path("out")).into_keys();
        let own = files.filter(|key| key.starts_with("_collodion/") && key.ends_with(end));
        own.map(|key| self.path("out").join(key)).collect()
    }

    /// Lines of the failures.jsonl of the only job.
    pub fn failures(&self) -> Vec<Value> {
        let [path] = <[_; 1]>::try_from(self.job_files("/failures.jsonl")).unwrap();
        fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_file());
    entries
        .map(|entry| {
            let key = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (key, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// A PNG of its own for each seed.
pub fn picture(seed: u32, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixel = |n: u32| {
        let (x, y) = (n % width, n / width);
        [
            (x * 5 + seed * 40) as u8,
            (y * 3 + seed) as u8,
            (x * y / 7 + seed * 90) as u8,
        ]
    };
    let pixels: Vec<u8> = (0..width * height).flat_map(pixel).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// The same file with another width and height in its header, checksum included.
pub fn claiming(png: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png.to_vec();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

pub async fn plan(job: &Job) -> Result<Planned, PhaseError> {
    job::plan::plan(job, &Progress::default(), &CancellationToken::new()).await
}

pub async fn shard(job: &Arc<Job>, shard: u32, pod: &str) -> Result<wire::Progress, PhaseError> {
    job::shard::process(job, shard, pod, &Progress::default(), &CancellationToken::new()).await
}

pub async fn report(job: &Job) -> Result<Report, PhaseError> {
    job::report::report(job, &Progress::default(), &CancellationToken::new()).await
}

/// All phases of a job.
pub async fn run(job: &Arc<Job>) -> Report {
    let planned = plan(job).await.unwrap();
    for n in 0..planned.shards {
        shard(job, n, "pod").await.unwrap();
    }
    report(job).await.unwrap()
}

/// Done, skipped and failed.
pub fn counts(report: &Report) -> (u64, u64, u64) {
    let objects = report.objects;
    assert_eq!(objects.total, objects.finished());
    (objects.done, objects.skipped, objects.failed)
}

/// Reason and message of a refusal.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, PhaseError>) -> (&'static str, String) {
    match result.unwrap_err() {
        PhaseError::Refused { reason, message } => (reason, message),
        other => panic!("not refused: {other:?}"),
    }
}
