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
use futures::{StreamExt, future, stream};
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
    numbers::Measured,
    pods,
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
        let asked = stream::iter(targets).map(|(index, address)| async move {
            let answer = tokio::time::timeout(ANSWER, self.progress(&address));
            let answer = tokio::time::timeout_at(deadline, answer).await.ok()?.ok()?;
            answer.map(|progress| (index, progress))
        });
        asked
            .buffer_unordered(AT_ONCE)
            .filter_map(future::ready)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(index: i32, phase: &str, done: Option<u64>) -> Arc<Pod> {
        let outcome = done.map(|done| serde_json::to_string(&Outcome::Processed(progress(done))).unwrap());
        let state = json!({"terminated": {"exitCode": 0, "message": outcome}});
        let pod = json!({
            "metadata": {"labels": {"batch.kubernetes.io/job-completion-index": index.to_string()}},
            "status": {
                "phase": phase,
                "podIP": format!("10.0.0.{index}"),
                "containerStatuses": [
                    {"name": pods::CONTAINER, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state},
                ],
            },
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn progress(done: u64) -> Progress {
        let objects = ObjectCounts {
            total: 10,
            done,
            ..ObjectCounts::default()
        };
        Progress {
            objects,
            bytes: ByteCounts {
                input: done * 100,
                output: done,
            },
        }
    }

    fn job(suspend: bool) -> ImageJob {
        let spec = json!({
            "input": {"location": "s3://a/"}, "output": {"location": "s3://b/"}, "renditions": [], "suspend": suspend,
        });
        ImageJob::new("web", serde_json::from_value(spec).unwrap())
    }

    fn process() -> Job {
        serde_json::from_value(json!({
            "metadata": {"annotations": {super::super::build::PLAN: r#"{"outcome":"planned","shards":3,"objects":30,"bytes":1}"#}},
            "spec": {"completions": 3, "template": {}},
            "status": {"succeeded": 1, "startTime": "2025-01-01T00:00:00Z"},
        }))
        .unwrap()
    }

    #[test]
    fn counts_add_up_over_answers_last_words_and_what_is_remembered() {
        let mut entry = Entry::default();
        let now = "2025-01-01T00:00:10Z".parse().unwrap();
        learn(
            &mut entry,
            &[],
            vec![(0, progress(4)), (1, progress(6))],
            Instant::now(),
        );
        // The pod of shard 0 is gone and its next one starts behind; shard 1 has ended, 2 does not answer.
        learn(
            &mut entry,
            &[pod(1, "Succeeded", Some(10)), pod(2, "Running", None)],
            vec![(0, progress(3))],
            Instant::now(),
        );
        let Measured {
            objects,
            bytes,
            shards,
            rate,
        } = measure(&mut entry, &job(false), &process(), now);
        assert_eq!(
            (objects.total, objects.done, bytes.input, bytes.output),
            (30, 14, 1400, 14)
        );
        assert_eq!((shards.total, shards.done, rate), (3, 1, Some(1.4)));
    }

    #[test]
    fn speed_is_measured_anew_after_a_pause() {
        let mut entry = Entry::default();
        let at = |seconds: i64| Timestamp::from_second(1_735_689_600 + seconds).unwrap();
        learn(&mut entry, &[], vec![(0, progress(4))], Instant::now());
        assert_eq!(measure(&mut entry, &job(true), &process(), at(100)).rate, None);
        learn(&mut entry, &[], vec![(0, progress(8))], Instant::now());
        assert_eq!(measure(&mut entry, &job(false), &process(), at(102)).rate, Some(2.0));
    }

    #[test]
    fn pods_that_were_not_heard_of_for_longest_are_asked_first() {
        let mut entry = Entry::default();
        let now = Instant::now();
        learn(&mut entry, &[], vec![(0, progress(1))], now + Duration::from_secs(1));
        learn(&mut entry, &[], vec![(1, progress(1))], now);
        let pods = [
            pod(0, "Running", None),
            pod(1, "Running", None),
            pod(2, "Running", None),
            pod(3, "Pending", None),
        ];
        let order: Vec<i32> = targets(&pods, &entry).into_iter().map(|(index, _)| index).collect();
        assert_eq!(order, [2, 1, 0]);
    }
}
