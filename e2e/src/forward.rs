//! A local port that leads to a pod, through the API server: works with any cluster one has a kubeconfig of.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A local port that leads to whichever pod is ready when a connection comes in; closed when dropped.
#[derive(Debug)]
pub struct Forward {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forward {
    /// Opens a local port to a port of the pods with a label.
    ///
    /// # Errors
    /// When no local port is free.
    pub async fn open(client: Client, namespace: &str, label: &'static str, port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("failed to find a free port")?;
        let address = listener.local_addr()?;
        let pods = Api::namespaced(client, namespace);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let pods = pods.clone();
                tokio::spawn(async move {
                    // A connection that can't be made is closed: its client sees that and tries again.
                    let _ = serve(connection, &pods, label, port).await;
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut connection: TcpStream, pods: &Api<Pod>, label: &str, port: u16) -> Result<()> {
    let list = pods
        .list(&ListParams::default().labels(label))
        .await
        .context("failed to list pods")?;
    let pod = list.items.iter().find(|pod| is_ready(pod)).context("no pod is ready")?;
    let mut forward = pods
        .portforward(&pod.name_any(), &[port])
        .await
        .context("failed to reach the pod")?;
    let mut stream = forward.take_stream(port).context("the pod's port was taken")?;
    tokio::io::copy_bidirectional(&mut connection, &mut stream).await?;
    drop(stream);
    forward.join().await.context("the connection to the pod broke")
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
