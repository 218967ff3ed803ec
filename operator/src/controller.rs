//! Wires the reconcile to what triggers it, and says what follows when it fails.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, future};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, PodSpec},
};
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    runtime::{
        Controller, WatchStreamExt,
        controller::{self, Action},
        events::{Recorder, Reporter},
        reflector::{self, store::Writer},
        watcher,
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    context::Context,
    imagejob::{
        self, Error, Memory, Scraper,
        build::{MANAGED_BY, MANAGER},
    },
    metrics::Metrics,
};

/// ImageJobs reconciled at the same time.
const CONCURRENCY: u16 = 16;
/// Wait after the first failure of an ImageJob's reconcile; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait between two failures.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// Reconciles until `stop`, and then finishes what is running.
pub async fn run(client: Client, config: &Config, metrics: Metrics, stop: CancellationToken) {
    let (pods, writer) = reflector::store();
    let reporter = Reporter {
        controller: MANAGER.to_owned(),
        instance: Some(config.pod_name.clone()),
    };
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client: client.clone(),
        pods,
        memory: Memory::default(),
        scraper: Scraper::default(),
        metrics,
        worker_image: config.worker_image.clone(),
    });
    let ours = watcher::Config::default().labels(&format!("{MANAGED_BY}={MANAGER}"));
    let resource = imagejob::resource();
    let imagejobs: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let jobs: Api<Job> = Api::all(client.clone());
    let controller = Controller::new_with(imagejobs, watcher::Config::default(), resource)
        .owns(jobs, ours.clone())
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, retry, context.clone())
        .for_each(|result| {
            if let Err(controller::Error::ObjectNotFound(gone)) = &result {
                context
                    .memory
                    .forget(gone.namespace.as_deref().unwrap_or_default(), &gone.name);
            } else if let Err(error @ (controller::Error::QueueError(_) | controller::Error::RunnerError(_))) = result {
                tracing::warn!(%error, "a watch failed; it is started again");
            }
            future::ready(())
        });
    let known = context.pods.clone();
    let controller = async {
        // What is not known yet would look like a job without pods.
        tokio::select! {
            _ = known.wait_until_ready() => controller.await,
            () = stop.cancelled() => {}
        }
    };
    tokio::select! {
        () = controller => {}
        () = cache(Api::all(client), ours, writer) => {}
    }
}

/// Keeps the cache of pods, without what nobody reads: there may be ten thousand.
async fn cache(pods: Api<Pod>, config: watcher::Config, writer: Writer<Pod>) {
    let slim = watcher(pods, config).default_backoff().modify(|pod| {
        pod.managed_fields_mut().clear();
        if let Some(PodSpec { containers, .. }) = pod.spec.take() {
            let spec = PodSpec {
                containers,
                ..PodSpec::default()
            };
            pod.spec = Some(spec);
        }
        for container in pod.spec.iter_mut().flat_map(|spec| &mut spec.containers) {
            container.volume_mounts = None;
            container.env = None;
        }
    });
    reflector::reflector(writer, slim)
        .for_each(|event| {
            if let Err(error) = event {
                tracing::warn!(%error, "failed to watch pods; trying again");
            }
            future::ready(())
        })
        .await;
}

async fn reconcile(seen: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    let result = imagejob::reconcile(seen.clone(), context.clone()).await;
    context
        .metrics
        .reconciled(started.elapsed(), result.as_ref().err().map(Error::reason));
    if result.is_ok() {
        failures(&seen, &context, |_| 0);
    }
    result
}

fn retry(seen: Arc<DynamicObject>, error: &Error, context: Arc<Context>) -> Action {
    if error.is_conflict() {
        return Action::requeue(Duration::from_millis(300));
    }
    let failures = failures(&seen, &context, |failures| failures.saturating_add(1));
    let wait = FIRST_RETRY
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LAST_RETRY);
    let error = with_causes(error);
    tracing::warn!(
        imagejob = seen.name_any(),
        namespace = seen.namespace(),
        error,
        ?wait,
        "reconcile failed"
    );
    Action::requeue(wait)
}

fn failures(seen: &DynamicObject, context: &Context, change: impl FnOnce(u32) -> u32) -> u32 {
    let (namespace, uid) = (seen.namespace().unwrap_or_default(), seen.uid().unwrap_or_default());
    context.memory.with(&namespace, &seen.name_any(), &uid, |entry| {
        entry.failures = change(entry.failures);
        entry.failures
    })
}

/// An error and what caused it, in one line. What the API server said is taken without its debug form.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut line = Vec::new();
    for cause in causes {
        if let Some(kube::Error::Api(status)) = cause.downcast_ref() {
            line.push(status.message.clone());
            break;
        }
        line.push(cause.to_string());
    }
    line.join(": ")
}
