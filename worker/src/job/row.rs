//! Lines and documents that phases leave for each other.

use std::collections::{BTreeMap, HashSet};

use collodion_crds::{ByteCounts, ObjectCounts, wire};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// An image of the plan: a line of `plan/shard-N.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    /// Key, relative to the input location.
    pub(super) key: String,
    /// Size in bytes.
    pub(super) size: u64,
    /// Entity tag that it had when it was listed.
    pub(super) etag: String,
}

/// `plan/plan.json`: what was planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    pub(super) uid: String,
    pub(super) name: String,
    /// When planning started.
    pub(super) started: Timestamp,
    /// Images in all.
    pub(super) objects: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Recipe hash of each rendition.
    pub(super) recipes: BTreeMap<String, String>,
    /// All shards in order.
    pub(super) shards: Vec<PlannedShard>,
}

/// One shard of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedShard {
    /// Images in it.
    pub(super) objects: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// SHA-256 of its file in hex.
    pub(super) sha256: String,
}

/// What became of an image: a line of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    /// Line of the image in its shard, from 0.
    pub(super) row: u32,
    /// Key of the image.
    pub(super) key: String,
    /// Its entity tag when it was listed.
    pub(super) etag: String,
    /// What became of it.
    pub(super) state: State,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Bytes of it that this job read.
    pub(super) read: u64,
    /// Milliseconds from its start to its end, waiting included.
    pub(super) millis: u64,
    /// Its finished outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) outputs: Vec<Output>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    /// At least one rendition was written, and none failed.
    Done,
    /// All renditions were there already.
    Skipped,
    /// At least one rendition failed.
    Failed,
}

/// A finished output of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Output {
    /// Name of the rendition.
    pub(super) rendition: String,
    /// Key, relative to the output location.
    pub(super) key: String,
    /// Size in bytes.
    pub(super) bytes: u64,
    /// Whether this job wrote it, or found it right.
    pub(super) written: bool,
}

/// Why an image failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// The cause in CamelCase.
    pub(super) reason: String,
    /// What was found.
    pub(super) message: String,
    /// The rendition, where only one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rendition: Option<String>,
}

/// `results/N/done.json`: a shard is finished, and where its rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    /// Checkpoints by name; together they hold every row. A row that several hold is the first one's.
    pub(super) checkpoints: Vec<String>,
    /// What became of the images.
    #[serde(flatten)]
    pub(super) counts: wire::Progress,
}

/// Writes values as JSON lines.
pub(super) fn to_lines<T: Serialize>(values: &[T]) -> Vec<u8> {
    let mut lines = Vec::new();
    for value in values {
        serde_json::to_writer(&mut lines, value).expect("rows are plain data, which JSON can hold");
        lines.push(b'\n');
    }
    lines
}

/// Reads JSON lines.
pub(super) fn from_lines<T: DeserializeOwned>(bytes: &[u8]) -> impl Iterator<Item = serde_json::Result<T>> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
}

/// Adds a row to counts. Totals are not rows' business.
pub(super) fn count(counts: &mut wire::Progress, row: &Row) {
    let wire::Progress { objects, bytes } = counts;
    let ObjectCounts {
        total: _,
        done,
        skipped,
        failed,
    } = objects;
    *match row.state {
        State::Done => done,
        State::Skipped => skipped,
        State::Failed => failed,
    } += 1;
    let ByteCounts { input, output } = bytes;
    *input += row.read;
    *output += row
        .outputs
        .iter()
        .filter(|output| output.written)
        .map(|output| output.bytes)
        .sum::<u64>();
}

/// Counts each row of some checkpoints once, the first one where several hold it, and names the checkpoints needed.
pub(super) fn cover<'a>(checkpoints: impl Iterator<Item = (&'a String, &'a [Row])>) -> Done {
    let mut done = Done {
        checkpoints: Vec::new(),
        counts: wire::Progress::default(),
    };
    let mut seen = HashSet::new();
    for (name, rows) in checkpoints {
        let before = seen.len();
        for row in rows.iter().filter(|row| seen.insert(row.row)) {
            count(&mut done.counts, row);
        }
        if seen.len() > before {
            done.checkpoints.push(name.clone());
        }
    }
    done.counts.objects.total = seen.len() as u64;
    done
}
