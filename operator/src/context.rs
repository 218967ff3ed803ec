//! What every reconcile works with.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    runtime::{events::Recorder, reflector::Store},
};

use crate::{
    imagejob::{Memory, Scraper},
    metrics::Metrics,
};

/// What every reconcile works with.
pub struct Context {
    /// Client of the API server.
    pub client: Client,
    /// Publishes events.
    pub recorder: Recorder,
    /// Pods of all ImageJobs, as of a moment ago.
    pub pods: Store<Pod>,
    /// What is remembered between reconciles.
    pub memory: Memory,
    /// Asks pods for their progress.
    pub scraper: Scraper,
    /// Counts what happens.
    pub metrics: Metrics,
    /// Image of the pods of ImageJobs that start now.
    pub worker_image: String,
}
