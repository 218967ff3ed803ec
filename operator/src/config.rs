//! The operator's settings: flags, each with an environment variable.

use std::net::SocketAddr;

use clap::Parser;

/// Runs Collodion's ImageJobs on Kubernetes.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Config {
    /// Image of the pods that do the work. An ImageJob keeps the one it started with.
    #[arg(long, env = "COLLODION_WORKER_IMAGE", value_name = "IMAGE")]
    pub worker_image: String,
    /// Name of the operator's own pod: its identity in the leader election.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: String,
    /// Namespace of the operator's own pod, where its Lease lies.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub pod_namespace: String,
    /// Where /healthz, /readyz and /metrics are answered.
    #[arg(
        long,
        env = "COLLODION_LISTEN",
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// What is logged, such as `info` or `collodion_operator=debug,info`.
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
}
