//! Reads pods: what they left as their last words, and what keeps them from starting.

use collodion_crds::wire::Outcome;
use k8s_openapi::{
    api::core::v1::{ContainerStateTerminated, Pod},
    jiff::{SignedDuration, Timestamp},
};

use super::phase::Failure;

/// Name of the container that does the work.
pub const CONTAINER: &str = "worker";

/// How long a pod may wait for a node or its volumes before that counts as an obstacle.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

/// How long the end of a pod is worth a remark; by then its successor has been at work for a while.
const NEWS: SignedDuration = SignedDuration::from_mins(10);
/// Failed pods of a phase, none having done better, after which somebody should look.
const FAILURES: usize = 3;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What keeps a pod from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// In CamelCase, fit for a condition.
    pub reason: &'static str,
    /// What was found and what to do about it.
    pub message: String,
}

/// The index of an Indexed Job's pod.
pub fn index(pod: &Pod) -> Option<i32> {
    let from = |map: &Option<std::collections::BTreeMap<String, String>>| map.as_ref()?.get(INDEX)?.parse().ok();
    from(&pod.metadata.annotations).or_else(|| from(&pod.metadata.labels))
}

/// The phase of a pod's life: Pending, Running, Succeeded, Failed.
pub fn life(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

/// What a pod left as its last words.
pub fn outcome(pod: &Pod) -> Option<Outcome> {
    serde_json::from_str(terminated(pod)?.message.as_deref()?).ok()
}

/// The refusal among the last words of pods.
pub fn refusal<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<Failure> {
    pods.into_iter().find_map(|pod| match outcome(pod) {
        Some(Outcome::Refused { reason, message }) => Some(Failure { reason, message }),
        _ => None,
    })
}

/// The phase whose pods all fail: more of the same will not help.
pub fn hopeless<'a>(pods: impl IntoIterator<Item = &'a Pod> + Clone) -> Option<Obstacle> {
    let all_failed = pods.clone().into_iter().all(|pod| life(pod) == "Failed");
    let count = pods.clone().into_iter().count();
    let last = pods.into_iter().max_by_key(|pod| ended(pod))?;
    let name = last.metadata.name.as_deref().unwrap_or_default();
    (all_failed && count >= FAILURES).then(|| Obstacle {
        reason: "PodsFail",
        message: format!(
            "{count} pods have ended early and none has finished; the last, {name}: {}",
            last_words(last)
        ),
    })
}

/// Why the pod that failed last did so, if that is news.
pub fn interruption<'a>(pods: impl IntoIterator<Item = &'a Pod>, now: Timestamp) -> Option<String> {
    let failed = pods.into_iter().filter(|pod| life(pod) == "Failed");
    let last = failed.max_by_key(|pod| ended(pod))?;
    let recent = ended(last).is_none_or(|ended| now.duration_since(ended) < NEWS);
    let name = last.metadata.name.as_deref().unwrap_or_default();
    recent.then(|| format!("pod {name} ended early: {}", last_words(last)))
}

fn ended(pod: &Pod) -> Option<Timestamp> {
    terminated(pod)
        .and_then(|state| state.finished_at.as_ref())
        .map(|time| time.0)
}

fn last_words(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let evicted = || status.and_then(|status| status.message.clone().or_else(|| status.reason.clone()));
    match (outcome(pod), terminated(pod)) {
        (Some(Outcome::Interrupted { message }), _) => message,
        (_, Some(state)) if state.reason.as_deref() == Some("OOMKilled") => {
            "it used more memory than its limit; give worker.resources more".to_owned()
        }
        (_, Some(state)) => {
            let log = state
                .message
                .as_deref()
                .and_then(|log| log.trim().lines().next_back())
                .unwrap_or_default();
            let code = state.exit_code;
            if log.is_empty() {
                format!("exit code {code}")
            } else {
                format!("exit code {code}, {}", shorten(log, 300))
            }
        }
        (_, None) => evicted().unwrap_or_else(|| "no reason is known".to_owned()),
    }
}

/// What keeps a pod from starting, if anything does. `warning` is the last warning event about the pod.
pub fn obstacle(pod: &Pod, now: Timestamp, warning: Option<&str>) -> Option<Obstacle> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref()?;
    if life(pod) != "Pending" {
        return None;
    }
    let unscheduled = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable") && patient(pod, now)
    });
    if let Some(condition) = unscheduled {
        let detail = condition.message.as_deref().unwrap_or("no node fits");
        let message = format!(
            "no node takes pod {name}: {detail}; add or free nodes, or run the job again with other worker.resources, nodeSelector, tolerations or affinity"
        );
        return Some(Obstacle {
            reason: "Unschedulable",
            message,
        });
    }
    let waiting = status
        .container_statuses
        .iter()
        .flatten()
        .find_map(|c| c.state.as_ref()?.waiting.as_ref());
    let reason = waiting.and_then(|state| state.reason.as_deref()).unwrap_or_default();
    let detail = waiting.and_then(|state| state.message.as_deref());
    match reason {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
            let image = pod
                .spec
                .iter()
                .flat_map(|spec| &spec.containers)
                .find_map(|c| c.image.as_deref());
            let message = format!(
                "pod {name} can't get its image {}: {}; check that the nodes reach it and that worker.imagePullSecrets names a Secret for it",
                image.unwrap_or_default(),
                detail.unwrap_or(reason)
            );
            Some(Obstacle {
                reason: "ImagePullFailed",
                message,
            })
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            let message = format!("pod {name} can't start: {}", detail.unwrap_or(reason));
            Some(Obstacle {
                reason: "PodCannotStart",
                message,
            })
        }
        // A missing Secret or ConfigMap keeps the container in creation; just an event says why.
        _ if patient(pod, now) => {
            let detail = detail.or(warning)?;
            let message = format!("pod {name} can't start: {detail}; it does once that is put right");
            Some(Obstacle {
                reason: "PodCannotStart",
                message,
            })
        }
        _ => None,
    }
}

/// Whether a pod has been waiting for so long that its events are worth a look.
pub fn stuck(pod: &Pod, now: Timestamp) -> bool {
    life(pod) == "Pending" && patient(pod, now)
}

fn patient(pod: &Pod, now: Timestamp) -> bool {
    pod.metadata
        .creation_timestamp
        .as_ref()
        .is_some_and(|created| now.duration_since(created.0) >= PATIENCE)
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses
        .iter()
        .find(|status| status.name == CONTAINER)?
        .state
        .as_ref()?
        .terminated
        .as_ref()
}

fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "p", "creationTimestamp": "2025-01-01T00:00:00Z",
                "annotations": {"batch.kubernetes.io/job-completion-index": "7"},
            },
            "spec": {"containers": [{"name": CONTAINER, "image": "worker:1"}]},
            "status": status,
        }))
        .unwrap()
    }

    fn ended(code: i32, reason: &str, message: &str, at: &str) -> Pod {
        let state = json!({"exitCode": code, "reason": reason, "message": message, "finishedAt": at});
        pod(json!({
            "phase": if code == 0 { "Succeeded" } else { "Failed" },
            "containerStatuses": [
                {"name": CONTAINER, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": state}},
            ],
        }))
    }

    fn waiting(reason: &str, message: Option<&str>) -> Pod {
        let state = json!({"reason": reason, "message": message});
        pod(json!({
            "phase": "Pending",
            "containerStatuses": [
                {"name": CONTAINER, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": state}},
            ],
        }))
    }

    fn after(seconds: i64) -> Timestamp {
        "2025-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn last_words_are_read_by_index() {
        let done = ended(
            0,
            "Completed",
            r#"{"outcome":"planned","shards":2,"objects":9,"bytes":90}"#,
            "2025-01-01T00:01:00Z",
        );
        assert_eq!(
            outcome(&done),
            Some(Outcome::Planned {
                shards: 2,
                objects: 9,
                bytes: 90
            })
        );
        assert_eq!(index(&done), Some(7));
        assert_eq!(outcome(&ended(0, "Completed", "no json", "2025-01-01T00:01:00Z")), None);
    }

    #[test]
    fn a_refusal_is_found_among_other_pods() {
        let words = r#"{"outcome":"refused","reason":"InputNotFound","message":"no bucket"}"#;
        let pods = [
            ended(1, "Error", "", "2025-01-01T00:01:00Z"),
            ended(2, "Error", words, "2025-01-01T00:02:00Z"),
        ];
        let failure = Failure {
            reason: "InputNotFound".to_owned(),
            message: "no bucket".to_owned(),
        };
        assert_eq!(refusal(&pods), Some(failure));
        assert_eq!(refusal(&pods[..1]), None);
    }

    #[test]
    fn the_latest_failure_explains_an_interruption() {
        let interrupted = r#"{"outcome":"interrupted","message":"the store answered 503"}"#;
        let first = ended(1, "Error", interrupted, "2025-01-01T00:01:00Z");
        let panicked = ended(101, "Error", "some log\nthread panicked at x", "2025-01-01T00:02:00Z");
        let killed = ended(137, "OOMKilled", "", "2025-01-01T00:03:00Z");
        let why = |pods: &[Pod]| interruption(pods, after(200)).unwrap();
        assert_eq!(
            why(std::slice::from_ref(&first)),
            "pod p ended early: the store answered 503"
        );
        assert_eq!(
            why(&[first.clone(), panicked.clone()]),
            "pod p ended early: exit code 101, thread panicked at x"
        );
        assert!(why(&[killed, first, panicked]).contains("more memory"));
        assert_eq!(
            interruption(&[ended(0, "Completed", "", "2025-01-01T00:01:00Z")], after(200)),
            None
        );
        assert_eq!(
            interruption(&[ended(1, "Error", "", "2025-01-01T00:01:00Z")], after(2000)),
            None
        );
    }

    #[test]
    fn pods_that_all_fail_are_an_obstacle_until_one_does_better() {
        let killed = || ended(137, "OOMKilled", "", "2025-01-01T00:00:00Z");
        assert!(hopeless(&[killed(), killed()]).is_none());
        let obstacle = hopeless(&[killed(), killed(), killed()]).unwrap();
        assert!(
            obstacle.message.contains("give worker.resources more"),
            "{}",
            obstacle.message
        );
        assert!(hopeless(&[killed(), killed(), killed(), pod(json!({"phase": "Running"}))]).is_none());
        assert!(hopeless(&[]).is_none());
    }

    #[test]
    fn what_keeps_a_pod_from_starting_is_named_with_what_to_do() {
        let unschedulable = pod(json!({
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"},
            ],
        }));
        let mount = "MountVolume.SetUp failed for volume \"secret-0\" : secret \"s3\" not found";
        for (pod, seconds, warning, reason, words) in [
            (
                &unschedulable,
                20,
                None,
                "Unschedulable",
                "0/3 nodes are available; add or free nodes",
            ),
            (
                &waiting("ImagePullBackOff", Some("not found")),
                1,
                None,
                "ImagePullFailed",
                "image worker:1: not found",
            ),
            (
                &waiting("CreateContainerConfigError", Some("no uid")),
                1,
                None,
                "PodCannotStart",
                "no uid",
            ),
            (
                &waiting("ContainerCreating", None),
                20,
                Some(mount),
                "PodCannotStart",
                "secret \"s3\" not found",
            ),
        ] {
            let found = obstacle(pod, after(seconds), warning).unwrap();
            assert_eq!(found.reason, reason);
            assert!(found.message.contains(words), "{}", found.message);
        }
    }

    #[test]
    fn a_pod_gets_some_time_before_its_wait_is_an_obstacle() {
        let creating = waiting("ContainerCreating", None);
        assert_eq!(obstacle(&creating, after(5), Some("not yet")), None);
        assert!(!stuck(&creating, after(5)) && stuck(&creating, after(20)));
        assert_eq!(obstacle(&creating, after(20), None), None);
        assert_eq!(
            obstacle(&pod(json!({"phase": "Running"})), after(99), Some("old")),
            None
        );
    }
}
