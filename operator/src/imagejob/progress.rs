//! How far processing is: what running pods answer under `/progress`, what finished ones left as their last words, and
//! for shards of which neither can be had, what was heard of them last.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use collodion_crds::{
    ByteCounts, ImageJob, ObjectCounts, ShardCounts,
    wire::{Outcome, Progress, WORKER_PORT},
};
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::Timestamp,
};

use super::{
    facts,
    memory::{Entry, Heard, Pace},
    pods,
    status::Measured,
};

/// Time for one pod to answer.
const ANSWER: Duration = Duration::from_millis(1000);
/// Time for all pods together; who was not asked by then is asked first the next time.
const ROUND: Duration = Duration::from_millis(2500);
/// Pods asked at the same time.
const AT_ONCE: usize = 32;
/// Most bytes of an answer.
const ANSWER_BYTES: usize = 4096;

/// Asks pods for their progress.
#[derive(Clone, Debug)]
pub struct Scraper(Client<HttpConnector, Empty<Bytes>>);

impl Default for Scraper {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(ANSWER));
        Self(
            Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(15))
                .build(connector),
        )
    }
}

impl Scraper {
    /// Progress by shard of the pods that answered in time.
    pub async fn ask(&self, targets: Vec<(i32, String)>) -> Vec<(i32, Progress)> {
        let deadline = tokio::time::Instant::now() + ROUND;
        stream::iter(targets)
            .map(async |(index, address)| {
                let answer = tokio::time::timeout(ANSWER, self.progress(&address));
                let answer = tokio::time::timeout_at(deadline, answer).await.ok()?.ok()?;
                answer.map(|progress| (index, progress))
            })
            .buffer_unordered(AT_ONCE)
            .filter_map(async |answer| answer)
            .collect()
            .await
    }

    async fn progress(&self, address: &str) -> Option<Progress> {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        let uri = format!("http://{host}:{WORKER_PORT}/progress").parse().ok()?;
        let answer = self
            .0
            .get(uri)
            .await
            .ok()
            .filter(|answer| answer.status().is_success())?;
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await.ok()?;
        serde_json::from_slice(&body.to_bytes()).ok()
    }
}

/// Running pods to ask, those first of which nothing was heard for longest.
pub fn targets(pods: &[Arc<Pod>], entry: &Entry) -> Vec<(i32, String)> {
    let running = pods.iter().filter(|pod| pods::life(pod) == "Running");
    let mut targets: Vec<_> = running
        .filter_map(|pod| Some((pods::index(pod)?, pod.status.as_ref()?.pod_ip.clone()?)))
        .collect();
    targets.sort_by_key(|(index, _)| entry.shards.get(index).map(|heard| heard.at));
    targets
}

/// Remembers what pods told: for each shard the last words of the pod that finished it, else the most advanced answer.
pub fn learn(entry: &mut Entry, pods: &[Arc<Pod>], answers: Vec<(i32, Progress)>, at: Instant) {
    for (index, progress) in answers {
        let known = entry.shards.get(&index).map(|heard| heard.progress);
        let further = known
            .filter(|known| known.objects.finished() > progress.objects.finished())
            .unwrap_or(progress);
        entry.shards.insert(index, Heard { progress: further, at });
    }
    for pod in pods.iter().filter(|pod| pods::life(pod) == "Succeeded") {
        if let (Some(index), Some(Outcome::Processed(progress))) = (pods::index(pod), pods::outcome(pod)) {
            entry.shards.insert(index, Heard { progress, at });
        }
    }
}

/// The sum over all shards.
pub fn measure(entry: &mut Entry, job: &ImageJob, process: &Job, now: Timestamp) -> Measured {
    let planned = facts::planned(process);
    let told = job
        .status
        .as_ref()
        .and_then(|status| status.objects)
        .unwrap_or_default();
    let mut objects = ObjectCounts {
        total: planned.map_or(told.total, |planned| planned.objects),
        ..ObjectCounts::default()
    };
    let mut bytes = ByteCounts::default();
    for Heard { progress, at: _ } in entry.shards.values() {
        objects.done += progress.objects.done;
        objects.skipped += progress.objects.skipped;
        objects.failed += progress.objects.failed;
        bytes.input += progress.bytes.input;
        bytes.output += progress.bytes.output;
    }
    let amount = |count: Option<i32>| u64::try_from(count.unwrap_or_default()).unwrap_or_default();
    let shards = ShardCounts {
        total: amount(process.spec.as_ref().and_then(|spec| spec.completions)),
        done: amount(process.status.as_ref().and_then(|status| status.succeeded)),
    };
    let rate = rate(entry, job, process, objects.finished().max(told.finished()), now);
    Measured {
        objects,
        bytes,
        shards,
        rate,
    }
}

/// Images a second since processing started; after a pause or a restart of the operator, since then.
fn rate(entry: &mut Entry, job: &ImageJob, process: &Job, finished: u64, now: Timestamp) -> Option<f64> {
    if job.spec.suspend {
        entry.pace = Some(Pace { since: now, finished });
        return None;
    }
    let paused = || {
        let conditions = process
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.type_ == "Suspended")
    };
    let pace = *entry.pace.get_or_insert_with(|| {
        let started = process
            .status
            .as_ref()
            .and_then(|status| status.start_time.as_ref())
            .map(|time| time.0);
        match started.filter(|_| !paused()) {
            Some(since) => Pace { since, finished: 0 },
            None => Pace { since: now, finished },
        }
    });
    let seconds = now.duration_since(pace.since).as_secs_f64();
    (seconds >= 1.0 && finished > pace.finished).then(|| (finished - pace.finished) as f64 / seconds)
}
