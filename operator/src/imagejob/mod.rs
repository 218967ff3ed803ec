//! Reconciles an ImageJob: dereference → validate → build → apply → status. Each run takes the job one step on from
//! whatever it finds, so that it may be cut off anywhere, run twice, or run by another operator.

pub mod apply;
pub mod build;
pub mod conditions;
pub mod dereference;
pub mod events;
pub mod facts;
pub mod memory;
pub mod numbers;
pub mod phase;
pub mod pods;
pub mod progress;
pub mod status;
pub mod validate;

pub use dereference::resource;
pub use memory::Memory;
pub use phase::Phase;
pub use progress::Scraper;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use collodion_crds::{ImageJob, ImageJobStatus};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, Preconditions},
    runtime::controller::Action,
};

use crate::context::Context;
use build::{Live, Snapshot};
use dereference::{Children, Subject};
use phase::Decision;
use status::Situation;
use validate::Invalid;

/// While pods work: how often they are asked how far they are.
const WATCHING: Duration = Duration::from_secs(3);
/// Between two phases, and after a step that an event follows.
const SOON: Duration = Duration::from_secs(1);
/// When nothing is expected to happen by itself.
const IDLE: Duration = Duration::from_secs(600);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What it needed could not be fetched.
    #[error(transparent)]
    Dereference(#[from] dereference::Error),
    /// What it decided could not be done.
    #[error(transparent)]
    Apply(#[from] apply::Error),
    /// The status could not be written.
    #[error(transparent)]
    Status(#[from] status::Error),
    /// A finished ImageJob could not be deleted.
    #[error("failed to delete the ImageJob at the end of its ttlSecondsAfterFinished")]
    Expire(#[source] kube::Error),
}

impl Error {
    /// A short name, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dereference(error) => error.reason(),
            Self::Apply(error) => error.reason(),
            Self::Status(error) => error.reason(),
            Self::Expire(_) => "Expire",
        }
    }

    /// Whether trying again at once is all that is needed.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Status(status::Error::Conflict(_)))
    }
}

/// Takes an ImageJob one step on. `seen` only names it: what is done depends on the live object.
///
/// # Errors
/// Something could not be fetched, done or written; it is safe to try again.
pub async fn reconcile(seen: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (seen.namespace().unwrap_or_default(), seen.name_any());
    match dereference::subject(&context.client, &namespace, &name).await? {
        Subject::Gone => {
            context.memory.forget(&namespace, &name);
            Ok(Action::await_change())
        }
        Subject::Malformed { status, .. } if conditions::is_terminal(&status) => Ok(Action::await_change()),
        Subject::Malformed {
            metadata,
            status,
            error,
        } => {
            let new = status::invalid(&metadata, &status, &Invalid::Spec(error), Timestamp::now());
            if new != *status {
                // Told before it is written: such an object may be too broken to take a status.
                tell(&seen.object_ref(&resource()), &status, &new, &context).await;
                status::write_malformed(&context.client, &metadata, &new).await?;
            }
            Ok(Action::requeue(IDLE))
        }
        Subject::Found(job) if job.status.as_ref().is_some_and(conditions::is_terminal) => {
            conclude(&job, &context).await
        }
        Subject::Found(job) => advance(&job, &context).await,
    }
}

/// One step of a job that is not over.
async fn advance(job: &ImageJob, context: &Context) -> Result<Action, Error> {
    let now = Timestamp::now();
    let children = dereference::children(&context.client, &context.pods, job, now).await?;
    let snapshot = match validate::validate(job, &children) {
        Ok(snapshot) => snapshot.unwrap_or_else(|| Snapshot::new(job, &image(&children, context))),
        Err(invalid) => {
            let new = status::invalid(&job.metadata, &job.status.clone().unwrap_or_default(), &invalid, now);
            publish(job, &new, context).await?;
            return Ok(Action::requeue(WATCHING.saturating_mul(5)));
        }
    };
    let decision = phase::decide(&facts::gather(job, &children, now));
    let live = Live {
        suspend: job.spec.suspend,
        parallelism: job.spec.parallelism,
    };
    let status = |obstacle, remark, measured| {
        status::next(&Situation {
            job,
            decision: &decision,
            obstacle,
            remark,
            measured,
            now,
        })
    };
    if let Err(error) = apply::carry_out(&context.client, &decision, &snapshot, live, &children).await {
        if let Some(message) = error.refusal() {
            let obstacle = pods::Obstacle {
                reason: "Refused",
                message,
            };
            publish(job, &status(Some(obstacle), None, None), context).await?;
        }
        return Err(error.into());
    }

    let (obstacle, remark) = trouble(&children, now);
    let measured = measure(job, &decision, &children, context, now).await;
    publish(job, &status(obstacle, remark, measured), context).await?;
    if matches!(decision, Decision::Complete(_) | Decision::Fail(..)) {
        let Children {
            plan, process, report, ..
        } = children;
        apply::stop(&context.client, &[plan, process, report]).await?;
    }
    Ok(Action::requeue(next_look(job, &decision, now)))
}

/// A job that is over: nothing is ever made for it again. What still runs is stopped, and it is deleted when its time
/// has come.
async fn conclude(job: &ImageJob, context: &Context) -> Result<Action, Error> {
    context
        .memory
        .forget(&job.namespace().unwrap_or_default(), &job.name_any());
    apply::stop(&context.client, &dereference::jobs(&context.client, job).await?).await?;
    if let Some(new) = status::observed(job) {
        status::write(&context.client, &job.metadata, &new).await?;
    }
    let ended = job.status.as_ref().and_then(|status| status.completion_time.as_ref());
    let (Some(seconds), Some(ended)) = (job.spec.ttl_seconds_after_finished, ended) else {
        return Ok(Action::await_change());
    };
    let left = seconds - Timestamp::now().duration_since(ended.0).as_secs();
    if left > 0 {
        return Ok(Action::requeue(Duration::from_secs(left.unsigned_abs())));
    }
    let api: Api<ImageJob> = Api::namespaced(context.client.clone(), &job.namespace().unwrap_or_default());
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: job.uid(),
        resource_version: None,
    });
    match api.delete(&job.name_any(), &params).await {
        Ok(_) => Ok(Action::await_change()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(Action::await_change()),
        Err(error) => Err(Error::Expire(error)),
    }
}

/// The worker image: the one that the job already runs with, if only its snapshot was lost.
fn image(children: &Children, context: &Context) -> String {
    let containers = children
        .jobs()
        .filter_map(|(_, job)| Some(&job.spec.as_ref()?.template.spec.as_ref()?.containers));
    let running = containers.flatten().find_map(|container| container.image.clone());
    running.unwrap_or_else(|| context.worker_image.clone())
}

/// What keeps the current phase from going on, and else what is worth a remark.
fn trouble(children: &Children, now: Timestamp) -> (Option<pods::Obstacle>, Option<String>) {
    let Some((_, current)) = children.current() else {
        return (None, None);
    };
    let warning = children.warning.as_deref();
    let obstacle = children
        .pods
        .iter()
        .find_map(|pod| pods::obstacle(pod, now, warning))
        .or_else(|| pods::hopeless(children.pods.iter().map(AsRef::as_ref)))
        .or_else(|| {
            let message = format!("Kubernetes makes no pods for Job {}: {}", current.name_any(), warning?);
            children.pods.is_empty().then_some(pods::Obstacle {
                reason: "PodsNotCreated",
                message,
            })
        });
    let interruption = pods::interruption(children.pods.iter().map(AsRef::as_ref), now);
    match obstacle {
        Some(obstacle) if children.pods.iter().any(|pod| pods::life(pod) == "Running") => {
            (None, Some(obstacle.message))
        }
        Some(obstacle) => (Some(obstacle), None),
        None => (None, interruption),
    }
}

async fn measure(
    job: &ImageJob,
    decision: &Decision,
    children: &Children,
    context: &Context,
    now: Timestamp,
) -> Option<numbers::Measured> {
    let process = children.process.as_ref()?;
    if !matches!(decision, Decision::Wait(Phase::Process) | Decision::Report) {
        return None;
    }
    let targets = remember(job, context, |entry| progress::targets(&children.pods, entry));
    let answers = context.scraper.ask(targets).await;
    Some(remember(job, context, |entry| {
        progress::learn(entry, &children.pods, answers, Instant::now());
        progress::measure(entry, job, process, now)
    }))
}

/// Writes a status if it says something new, and tells what changed.
async fn publish(job: &ImageJob, new: &ImageJobStatus, context: &Context) -> Result<(), Error> {
    let old = job.status.clone().unwrap_or_default();
    let Some(holdback) = status::holdback(&old, new) else {
        return Ok(());
    };
    let holdback = holdback.unsigned_abs();
    if remember(job, context, |entry| {
        entry.written.is_some_and(|written| written.elapsed() < holdback)
    }) {
        return Ok(());
    }
    status::write(&context.client, &job.metadata, new).await?;
    remember(job, context, |entry| entry.written = Some(Instant::now()));
    tell(&job.object_ref(&()), &old, new, context).await;
    Ok(())
}

/// Publishes events for what changed. A lost event is not worth a failed reconcile.
async fn tell(about: &ObjectReference, old: &ImageJobStatus, new: &ImageJobStatus, context: &Context) {
    for event in events::between(old, new) {
        tracing::info!(imagejob = about.name, reason = event.reason, note = event.note, "event");
        if let Err(error) = context.recorder.publish(&event, about).await {
            tracing::warn!(%error, "failed to publish an event");
        }
    }
}

fn remember<T>(job: &ImageJob, context: &Context, change: impl FnOnce(&mut memory::Entry) -> T) -> T {
    let ObjectMeta {
        namespace, name, uid, ..
    } = &job.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    context.memory.with(&text(namespace), &text(name), &text(uid), change)
}

fn next_look(job: &ImageJob, decision: &Decision, now: Timestamp) -> Duration {
    let wait = match decision {
        Decision::Complete(_) | Decision::Fail(..) => SOON, // stops what still runs and minds the TTL
        _ if job.spec.suspend => IDLE,
        Decision::Wait(_) => WATCHING,
        Decision::Start | Decision::Plan | Decision::Process(_) | Decision::Report | Decision::Repeat(_) => SOON,
    };
    facts::time_left(job, now).map_or(wait, |left| wait.min(left.unsigned_abs().max(SOON)))
}
