//! Carries out a decision. Children are created, never applied: a Job's template can't be changed, so after an upgrade
//! that builds another one an apply would fail for ever. The two fields that do change are merge-patched with the UID
//! as a precondition: unlike an apply, that can neither make a Job that someone deleted, nor touch a new one of the
//! same name, nor claim any other field.

use k8s_openapi::{
    NamespaceResourceScope,
    api::{batch::v1::Job, core::v1::ConfigMap},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    Phase,
    build::{self, Live, MANAGER, Snapshot},
    dereference::{Children, owned_by},
    facts,
    phase::Decision,
};

/// What could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object could not be created.
    #[error("failed to create {kind} {name}")]
    Create {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// The name of a child is taken by an object of somebody else.
    #[error("{kind} {name} exists but is not this ImageJob's; delete or rename it")]
    Foreign {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
    },
    /// A Job could not be deleted.
    #[error("failed to delete Job {name}")]
    Delete {
        /// Name of the Job.
        name: String,
        /// Cause.
        source: kube::Error,
    },
    /// A Job could not be suspended, resumed or given another parallelism.
    #[error("failed to patch Job {name}")]
    Patch {
        /// Name of the Job.
        name: String,
        /// Cause.
        source: kube::Error,
    },
}

impl Error {
    /// Name of the variant, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Create { .. } => "Create",
            Self::Foreign { .. } => "NameTaken",
            Self::Delete { .. } => "Delete",
            Self::Patch { .. } => "Patch",
        }
    }

    /// What the API server said when it understood and refused (a quota, an admission rule, a missing right): trying
    /// again does not help until somebody changes something. None for everything that passes by itself.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Create {
                source: kube::Error::Api(status),
                ..
            }
            | Self::Delete {
                source: kube::Error::Api(status),
                ..
            }
            | Self::Patch {
                source: kube::Error::Api(status),
                ..
            } if status.is_forbidden() || status.is_invalid() => Some(format!("{self}: {}", status.message)),
            Self::Foreign { .. } => Some(self.to_string()),
            Self::Create { .. } | Self::Delete { .. } | Self::Patch { .. } => None,
        }
    }
}

/// Makes and deletes what the decision says, and passes changes of suspend and parallelism on.
///
/// # Errors
/// The API server refused or could not be reached; everything is safe to try again.
pub async fn carry_out(
    client: &Client,
    decision: &Decision,
    snapshot: &Snapshot,
    live: Live,
    children: &Children,
) -> Result<(), Error> {
    match decision {
        Decision::Start => create::<ConfigMap>(client, snapshot.config_map()).await?,
        Decision::Plan => create(client, build::plan_job(snapshot, live)).await?,
        Decision::Process(planned) => create(client, build::process_job(snapshot, live, *planned)).await?,
        Decision::Report => create(client, build::report_job(snapshot, live)).await?,
        Decision::Repeat(phase) => {
            if let Some((_, job)) = children.jobs().find(|(of, _)| of == phase) {
                tracing::warn!(
                    job = job.name_any(),
                    "its pod left no readable message: the phase is repeated"
                );
                delete(client, job).await?;
            }
        }
        Decision::Wait(_) => {
            for (phase, job) in children.jobs() {
                tune(client, phase, job, live).await?;
            }
        }
        Decision::Complete(_) | Decision::Fail(..) => {}
    }
    Ok(())
}

/// Stops what still runs of a job that is over. Suspending takes the pods away but leaves the Job to be looked at.
///
/// # Errors
/// As [`carry_out`].
pub async fn stop(client: &Client, jobs: &[Option<Job>]) -> Result<(), Error> {
    for job in jobs.iter().flatten() {
        let suspended = job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
        if !suspended && !facts::finished(job) {
            patch(client, job, json!({"suspend": true})).await?;
        }
    }
    Ok(())
}

async fn create<K>(client: &Client, object: K) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let (kind, name) = (K::kind(&()).into_owned(), object.name_any());
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    match api.create(&params, &object).await {
        Ok(_) => {
            tracing::info!(%kind, %name, "created");
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let found = api.get(&name).await.map_err(|source| Error::Create {
                kind: kind.clone(),
                name: name.clone(),
                source,
            })?;
            let uid = object.owner_references().first().map(|owner| owner.uid.as_str());
            if owned_by(found.owner_references(), uid) {
                Ok(())
            } else {
                Err(Error::Foreign { kind, name })
            }
        }
        Err(source) => Err(Error::Create { kind, name, source }),
    }
}

async fn delete(client: &Client, job: &Job) -> Result<(), Error> {
    let api: Api<Job> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: job.uid(),
        resource_version: None,
    });
    match api.delete(&job.name_any(), &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(source) => Err(Error::Delete {
            name: job.name_any(),
            source,
        }),
    }
}

async fn tune(client: &Client, phase: Phase, job: &Job, live: Live) -> Result<(), Error> {
    let Live { suspend, parallelism } = live;
    let Some(spec) = job.spec.as_ref().filter(|_| !facts::finished(job)) else {
        return Ok(());
    };
    let mut change = serde_json::Map::new();
    if spec.suspend.unwrap_or_default() != suspend {
        change.insert("suspend".to_owned(), json!(suspend));
    }
    if phase == Phase::Process && spec.parallelism != Some(parallelism) {
        change.insert("parallelism".to_owned(), json!(parallelism));
    }
    if change.is_empty() {
        Ok(())
    } else {
        patch(client, job, change.into()).await
    }
}

async fn patch(client: &Client, job: &Job, spec: serde_json::Value) -> Result<(), Error> {
    let api: Api<Job> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
    let change = json!({"metadata": {"uid": job.uid()}, "spec": spec});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    tracing::info!(job = job.name_any(), change = %spec, "patching");
    match api.patch(&job.name_any(), &params, &Patch::Merge(&change)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(source) => Err(Error::Patch {
            name: job.name_any(),
            source,
        }),
    }
}
