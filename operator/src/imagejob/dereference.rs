//! Fetches what a reconcile is decided on: the ImageJob, its snapshot, its Jobs and their pods, read live from the API
//! server wherever something is made or ended because of them. Just the pods of a process Job, of which there may be
//! thousands, come from a cache: they tell progress and nothing else. Secrets are never read.

use std::sync::Arc;

use collodion_crds::{ImageJob, ImageJobStatus};
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{ConfigMap, Event, Pod},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
    core::ApiResource,
    runtime::reflector::Store,
};

use super::{Phase, build, facts, pods};

/// What could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ImageJob itself.
    #[error("failed to get the ImageJob")]
    GetImageJob(#[source] kube::Error),
    /// Its snapshot.
    #[error("failed to get the snapshot's ConfigMap")]
    GetSnapshot(#[source] kube::Error),
    /// Its Jobs.
    #[error("failed to list the ImageJob's Jobs")]
    ListJobs(#[source] kube::Error),
    /// The pods of one of its Jobs.
    #[error("failed to list the pods of a Job")]
    ListPods(#[source] kube::Error),
    /// Its status is not one of this version: nothing can be decided on it, least of all that the job may run.
    #[error("failed to read the ImageJob's status")]
    ReadStatus(#[source] serde_json::Error),
}

impl Error {
    /// Name of the variant, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::GetImageJob(_) => "GetImageJob",
            Self::GetSnapshot(_) => "GetSnapshot",
            Self::ListJobs(_) => "ListJobs",
            Self::ListPods(_) => "ListPods",
            Self::ReadStatus(_) => "ReadStatus",
        }
    }
}

/// The ImageJob that a reconcile is about.
#[derive(Debug)]
pub enum Subject {
    /// It is deleted, or being deleted: the garbage collector does the rest.
    Gone,
    /// Its spec can't be read.
    Malformed {
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// Its status so far.
        status: Box<ImageJobStatus>,
        /// What is wrong with its spec.
        error: serde_json::Error,
    },
    /// It is there.
    Found(Box<ImageJob>),
}

/// What an ImageJob owns.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// The snapshot.
    pub snapshot: Option<ConfigMap>,
    /// The plan Job.
    pub plan: Option<Job>,
    /// The process Job.
    pub process: Option<Job>,
    /// The report Job.
    pub report: Option<Job>,
    /// Pods of the current Job.
    pub pods: Vec<Arc<Pod>>,
    /// The last warning event about a pod that does not start, or about a Job that gets no pods.
    pub warning: Option<String>,
}

/// ImageJobs of a namespace, untyped: one that can't be read is still one that can be told so.
pub fn imagejobs(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &resource())
}

/// The kind ImageJob for untyped access.
pub fn resource() -> ApiResource {
    ApiResource::erase::<ImageJob>(&())
}

/// Fetches the ImageJob.
///
/// # Errors
/// The API server can't be reached, or the stored status can't be read.
pub async fn subject(client: &Client, namespace: &str, name: &str) -> Result<Subject, Error> {
    let found = imagejobs(client.clone(), namespace)
        .get_opt(name)
        .await
        .map_err(Error::GetImageJob)?;
    let Some(DynamicObject {
        types: _,
        metadata,
        mut data,
    }) = found
    else {
        return Ok(Subject::Gone);
    };
    if metadata.deletion_timestamp.is_some() {
        return Ok(Subject::Gone);
    }
    let status: Option<ImageJobStatus> = serde_json::from_value(data["status"].take()).map_err(Error::ReadStatus)?;
    Ok(match serde_json::from_value(data["spec"].take()) {
        Ok(spec) => Subject::Found(Box::new(ImageJob { metadata, spec, status })),
        Err(error) => Subject::Malformed {
            metadata: Box::new(metadata),
            status: Box::new(status.unwrap_or_default()),
            error,
        },
    })
}

/// Fetches what the ImageJob owns.
///
/// # Errors
/// The API server can't be reached.
pub async fn children(client: &Client, cache: &Store<Pod>, job: &ImageJob, now: Timestamp) -> Result<Children, Error> {
    let namespace = job.namespace().unwrap_or_default();
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let snapshot = config_maps
        .get_opt(&build::snapshot_name(job))
        .await
        .map_err(Error::GetSnapshot)?;
    let [plan, process, report] = jobs(client, job).await?;
    let mut children = Children {
        snapshot,
        plan,
        process,
        report,
        pods: Vec::new(),
        warning: None,
    };
    if let Some((phase, current)) = children.current() {
        let found = if phase == Phase::Process {
            cached(cache, current)
        } else {
            pods_of(client, current).await?
        };
        let stuck = found.iter().find(|pod| pods::stuck(pod, now)).and_then(|pod| pod.uid());
        let subject = stuck.or_else(|| barren(current, &found, now).then(|| current.uid()).flatten());
        children.pods = found;
        if let Some(uid) = subject {
            children.warning = last_warning(client, &namespace, &uid).await;
        }
    }
    Ok(children)
}

/// The ImageJob's Jobs by phase.
///
/// # Errors
/// The API server can't be reached.
pub async fn jobs(client: &Client, job: &ImageJob) -> Result<[Option<Job>; 3], Error> {
    let api: Api<Job> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
    let params = ListParams::default().labels(&format!("{}={}", build::IMAGEJOB, job.name_any()));
    let mut found = api.list(&params).await.map_err(Error::ListJobs)?.items;
    found.retain(|child| owned_by(child.owner_references(), job.metadata.uid.as_deref()));
    Ok([Phase::Plan, Phase::Process, Phase::Report].map(|phase| {
        let name = build::job_name(job, phase);
        found
            .iter()
            .position(|child| child.name_any() == name)
            .map(|i| found.swap_remove(i))
    }))
}

/// Whether the controller of an object is the one with this UID.
pub fn owned_by(owners: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference], uid: Option<&str>) -> bool {
    owners
        .iter()
        .any(|owner| owner.controller == Some(true) && Some(owner.uid.as_str()) == uid)
}

impl Children {
    /// The Job of the last phase that has one.
    pub fn current(&self) -> Option<(Phase, &Job)> {
        let phases = [
            (Phase::Report, &self.report),
            (Phase::Process, &self.process),
            (Phase::Plan, &self.plan),
        ];
        phases.into_iter().find_map(|(phase, job)| Some((phase, job.as_ref()?)))
    }

    /// All Jobs that exist.
    pub fn jobs(&self) -> impl Iterator<Item = (Phase, &Job)> {
        let phases = [
            (Phase::Plan, &self.plan),
            (Phase::Process, &self.process),
            (Phase::Report, &self.report),
        ];
        phases
            .into_iter()
            .filter_map(|(phase, job)| Some((phase, job.as_ref()?)))
    }
}

fn cached(cache: &Store<Pod>, job: &Job) -> Vec<Arc<Pod>> {
    cache.state_filter(|pod| {
        pod.namespace() == job.namespace() && owned_by(pod.owner_references(), job.metadata.uid.as_deref())
    })
}

async fn pods_of(client: &Client, job: &Job) -> Result<Vec<Arc<Pod>>, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
    let params = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", job.name_any()));
    let mut found = api.list(&params).await.map_err(Error::ListPods)?.items;
    found.retain(|pod| owned_by(pod.owner_references(), job.metadata.uid.as_deref()));
    Ok(found.into_iter().map(Arc::new).collect())
}

/// Whether a Job should have pods by now but has none, as when a quota or an admission rule forbids them.
fn barren(job: &Job, pods: &[Arc<Pod>], now: Timestamp) -> bool {
    let suspended = job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
    let old = job
        .creation_timestamp()
        .is_some_and(|created| now.duration_since(created.0) >= pods::PATIENCE);
    pods.is_empty() && old && !suspended && !facts::finished(job)
}

/// The last warning event about an object, but for those of the scheduler, which the pod itself tells too. None if there is none or it can't be had: it only explains.
async fn last_warning(client: &Client, namespace: &str, uid: &str) -> Option<String> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().fields(&format!(
        "involvedObject.uid={uid},type=Warning,reason!=FailedScheduling"
    ));
    let found = api
        .list(&params)
        .await
        .inspect_err(|error| tracing::warn!(%error, "failed to list events"))
        .ok()?;
    let time = |event: &Event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        last.or(event.event_time.as_ref().map(|time| time.0)).or(event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0))
    };
    found.items.into_iter().max_by_key(time)?.message
}
