//! Collodion itself, installed with helm as a user does it.

use anyhow::{Context, Result};

use crate::{
    command::output,
    images,
    kubectl::{Target, kubectl},
    tools::repository,
};

/// Namespace of the release.
pub const NAMESPACE: &str = "collodion-system";

/// Installs the chart with the images of this tree.
///
/// # Errors
/// When helm fails.
pub fn install(target: &Target) -> Result<()> {
    let mut helm = target.command("helm");
    helm.args(["upgrade", "--install", "collodion"])
        .arg(repository().join("charts/collodion"));
    helm.args(["--namespace", NAMESPACE, "--create-namespace"]);
    for value in [
        format!("operator.image.repository={}", images::OPERATOR),
        format!("operator.image.tag={}", images::TAG),
        format!("worker.image.repository={}", images::WORKER),
        format!("worker.image.tag={}", images::TAG),
    ] {
        helm.args(["--set", &value]);
    }
    output(&mut helm).map(drop).context("failed to install the chart")
}

/// Starts the operator's pods anew, for an image that has changed under the same name.
///
/// # Errors
/// When the API server refuses it.
pub fn restart(target: &Target) -> Result<()> {
    let restart = ["rollout", "restart", "deployment", "--namespace", NAMESPACE];
    kubectl(target, restart)
        .map(drop)
        .context("failed to restart the operator")
}

/// Waits until every replica of the operator is ready.
///
/// # Errors
/// When one is not within three minutes.
pub fn wait_until_ready(target: &Target) -> Result<()> {
    let rollout = [
        "rollout",
        "status",
        "deployment",
        "--namespace",
        NAMESPACE,
        "--timeout=180s",
    ];
    kubectl(target, rollout)
        .map(drop)
        .context("the operator does not get ready")
}
