//! The Kubernetes operator of Collodion. It knows Kubernetes and never touches a pixel or an object store: it turns an
//! ImageJob into three Jobs, one after another, and what their pods say into the ImageJob's status.

pub mod config;
pub mod context;
pub mod controller;
pub mod http;
pub mod imagejob;
pub mod leader;
pub mod metrics;
