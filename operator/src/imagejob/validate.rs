//! Checks what the API server's own rules can't promise about a stored object.

use collodion_crds::ImageJob;
use kube::ResourceExt;

use super::{
    build::Snapshot,
    dereference::{Children, owned_by},
};

/// Why an ImageJob can't be worked on until someone changes something.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// The spec can't be read.
    #[error("the spec can't be read: {0}; delete this ImageJob and create one that `kubectl apply` accepts")]
    Spec(#[from] serde_json::Error),
    /// A step with no operation or several, stored before a rule forbade it.
    #[error(
        "rendition {0} has a step that does not hold exactly one operation; delete this ImageJob and create a right one"
    )]
    Step(String),
    /// The snapshot's ConfigMap belongs to something else.
    #[error("ConfigMap {0} exists but is not this ImageJob's; delete or rename it")]
    Foreign(String),
    /// The snapshot can't be read.
    #[error("ConfigMap {name} is no snapshot of this ImageJob: {source}; delete it and it is made again")]
    Snapshot {
        /// Name of the ConfigMap.
        name: String,
        /// What is wrong with it.
        source: super::build::SnapshotError,
    },
}

impl Invalid {
    /// The cause, fit for a condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Spec(_) | Self::Step(_) => "InvalidSpec",
            Self::Foreign(_) => "NameTaken",
            Self::Snapshot { .. } => "InvalidSnapshot",
        }
    }
}

/// Checks an ImageJob and reads its snapshot, if it has one yet.
///
/// # Errors
/// What has to be changed before the job can go on.
pub fn validate(job: &ImageJob, children: &Children) -> Result<Option<Snapshot>, Invalid> {
    let broken = |rendition: &&collodion_crds::Rendition| rendition.steps.iter().any(|step| step.operation().is_none());
    if let Some(rendition) = job.spec.renditions.iter().find(broken) {
        return Err(Invalid::Step(rendition.name.clone()));
    }
    let Some(config_map) = &children.snapshot else {
        return Ok(None);
    };
    let name = config_map.name_any();
    if !owned_by(config_map.owner_references(), job.metadata.uid.as_deref()) {
        return Err(Invalid::Foreign(name));
    }
    Snapshot::read(config_map)
        .map(Some)
        .map_err(|source| Invalid::Snapshot { name, source })
}
