//! Reconciles against a scripted API server: what is asked of it, and above all what is not.

use std::sync::{Arc, Mutex};

use collodion_operator::{
    context::Context,
    imagejob::{self, Memory, Scraper},
    metrics::Metrics,
};
use kube::{
    Client,
    api::DynamicObject,
    client::Body,
    runtime::{
        events::{Recorder, Reporter},
        reflector,
    },
};
use serde_json::{Value, json};

/// Requests as `METHOD path`, with their bodies.
type Requests = Arc<Mutex<Vec<(String, Value)>>>;

#[tokio::test]
async fn a_finished_job_makes_nothing_even_if_its_children_are_gone() {
    for condition in ["Complete", "Failed"] {
        let mut done = imagejob(Some(json!({"observedGeneration": 1, "conditions": [{
            "type": condition, "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2025-01-01T00:00:00Z",
        }]})));
        let (requests, result) = reconcile(done.clone()).await;
        assert_eq!(result, None);
        assert_eq!(methods(&requests), ["GET imagejobs/web", "GET jobs"]);

        // Changed since, it is seen to be so, and still nothing is made.
        done["metadata"]["generation"] = json!(2);
        let (requests, result) = reconcile(done).await;
        assert_eq!(result, None);
        let expected = ["GET imagejobs/web", "GET jobs", "PATCH imagejobs/web/status"];
        assert_eq!(methods(&requests), expected);
    }
}

#[tokio::test]
async fn a_job_that_is_just_in_the_cache_makes_nothing() {
    let (requests, result) = reconcile(Value::Null).await;
    assert_eq!(result, None);
    assert_eq!(methods(&requests), ["GET imagejobs/web"]);
}

#[tokio::test]
async fn a_job_that_is_being_deleted_makes_nothing() {
    let mut leaving = imagejob(None);
    leaving["metadata"]["deletionTimestamp"] = json!("2025-01-01T00:00:00Z");
    let (requests, _) = reconcile(leaving).await;
    assert_eq!(methods(&requests), ["GET imagejobs/web"]);
}

#[tokio::test]
async fn a_new_job_gets_its_snapshot_first_and_a_status_bound_to_what_was_read() {
    let (requests, result) = reconcile(imagejob(None)).await;
    assert_eq!(result, None);
    let expected = [
        "GET imagejobs/web",
        "GET configmaps/web-0a1b2c3d-job",
        "GET jobs",
        "POST configmaps",
        "PATCH imagejobs/web/status",
        "POST events",
    ];
    assert_eq!(methods(&requests), expected);
    let status = &requests[4].1;
    assert_eq!(status["metadata"]["resourceVersion"], "41");
    assert_eq!(status["status"]["conditions"][0]["reason"], "Planning");
}

#[tokio::test]
async fn a_status_that_can_not_be_read_is_never_taken_for_a_job_that_may_run() {
    let (requests, result) = reconcile(imagejob(Some(json!({"conditions": "Complete"})))).await;
    assert_eq!(result, Some("ReadStatus"));
    assert_eq!(methods(&requests), ["GET imagejobs/web"]);
}

#[tokio::test]
async fn a_spec_that_can_not_be_read_becomes_a_condition() {
    let mut odd = imagejob(None);
    odd["spec"]["output"]["existing"] = json!("Maybe");
    let (requests, result) = reconcile(odd).await;
    assert_eq!(result, None);
    assert_eq!(
        methods(&requests),
        ["GET imagejobs/web", "POST events", "PATCH imagejobs/web/status"]
    );
    let stalled = &requests[2].1["status"]["conditions"][2];
    assert_eq!(
        (&stalled["type"], &stalled["reason"]),
        (&json!("Stalled"), &json!("InvalidSpec"))
    );
}

#[tokio::test]
async fn what_the_api_server_refuses_stalls_the_job_with_its_words() {
    let quota = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403,
        "message": "exceeded quota",
    });
    let (requests, result) = reconcile_refused(imagejob(None), quota).await;
    assert_eq!(result, Some("Create"));
    let (_, status) = requests
        .iter()
        .find(|(request, _)| request.ends_with("/status"))
        .expect("a status was written");
    let stalled = &status["status"]["conditions"][2];
    assert_eq!(
        (&stalled["status"], &stalled["reason"]),
        (&json!("True"), &json!("Refused"))
    );
    assert!(
        stalled["message"]
            .as_str()
            .is_some_and(|message| message.ends_with("exceeded quota")),
        "{stalled}"
    );
}

fn imagejob(status: Option<Value>) -> Value {
    json!({
        "apiVersion": "collodion.dev/v1alpha1",
        "kind": "ImageJob",
        "metadata": {
            "name": "web", "namespace": "media", "uid": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
            "generation": 1, "resourceVersion": "41",
        },
        "spec": {
            "input": {"location": "s3://photos/"},
            "output": {"location": "s3://out/"},
            "renditions": [{"name": "thumb", "steps": [{"resize": {"width": 64}}]}],
        },
        "status": status,
    })
}

/// Reconciles the ImageJob `web` where the API server holds `live` and nothing else: the requests that were made, and
/// the reason of the error if there was one.
async fn reconcile(live: Value) -> (Vec<(String, Value)>, Option<&'static str>) {
    reconcile_refused(live, Value::Null).await
}

/// As [`reconcile`], with the API server refusing to create ConfigMaps by `refusal`.
async fn reconcile_refused(live: Value, refusal: Value) -> (Vec<(String, Value)>, Option<&'static str>) {
    let requests = Requests::default();
    let client = api_server(live, refusal, requests.clone());
    let (pods, _writer) = reflector::store();
    let context = Arc::new(Context {
        recorder: Recorder::new(
            client.clone(),
            Reporter {
                controller: "test".to_owned(),
                instance: None,
            },
        ),
        client,
        pods,
        memory: Memory::default(),
        scraper: Scraper::default(),
        metrics: Metrics::default(),
        worker_image: "worker:1".to_owned(),
    });
    let cached: DynamicObject = serde_json::from_value(imagejob(None)).expect("an ImageJob is an object");
    let result = imagejob::reconcile(Arc::new(cached), context).await;
    let requests = requests.lock().expect("no test panics with the lock").clone();
    (requests, result.err().map(|error| error.reason()))
}

fn api_server(live: Value, refusal: Value, requests: Requests) -> Client {
    let service = tower::service_fn(move |request: hyper::Request<Body>| {
        let (live, refusal, requests) = (live.clone(), refusal.clone(), requests.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.expect("the body is in memory");
            let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
            let path = head
                .uri
                .path()
                .split_once("/namespaces/media/")
                .map_or("", |(_, path)| path)
                .to_owned();
            let (code, answer) = match (head.method.as_str(), path.as_str()) {
                ("GET", "imagejobs/web") if live.is_null() => (404, not_found()),
                ("GET", "imagejobs/web") => (200, live),
                ("GET", "jobs") => (
                    200,
                    json!({"apiVersion": "batch/v1", "kind": "JobList", "metadata": {}, "items": []}),
                ),
                ("GET", _) => (404, not_found()),
                ("POST", "configmaps") if !refusal.is_null() => (403, refusal),
                ("PATCH", _) => (200, live),
                _ => (201, sent.clone()),
            };
            requests
                .lock()
                .expect("no test panics with the lock")
                .push((format!("{} {path}", head.method), sent));
            let answer = Body::from(answer.to_string().into_bytes());
            hyper::Response::builder().status(code).body(answer)
        }
    });
    Client::new(service, "media")
}

fn not_found() -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no"})
}

fn methods(requests: &[(String, Value)]) -> Vec<&str> {
    requests.iter().map(|(request, _)| request.as_str()).collect()
}
