//! What tests do to nodes has its effect, and can be undone.

use anyhow::{Context, Result};
use collodion_e2e::{
    cluster::{Cluster, Namespace},
    node::Node,
    s3,
};

pub(crate) async fn a_node_without_power_is_noticed_and_comes_back(cluster: &Cluster, _: &Namespace<'_>) -> Result<()> {
    let node = without_s3(cluster)?;
    cluster.power_off(node)?;
    cluster.wait_for_node(node, false).await?;
    cluster.power_on(node)?;
    cluster.wait_for_node(node, true).await
}

pub(crate) async fn a_node_without_network_is_noticed_and_comes_back(
    cluster: &Cluster,
    _: &Namespace<'_>,
) -> Result<()> {
    let node = without_s3(cluster)?;
    cluster.cut(node)?;
    cluster.wait_for_node(node, false).await?;
    cluster.heal(node)?;
    cluster.wait_for_node(node, true).await
}

fn without_s3(cluster: &Cluster) -> Result<Node> {
    let path = "jsonpath={.items[*].spec.nodeName}";
    let busy = cluster.kubectl(&format!("get pods --namespace {} -l app=s3 -o {path}", s3::NAMESPACE))?;
    let mut others = Node::ALL.into_iter().filter(|node| !busy.contains(&node.name()));
    others.next().context("the S3 server runs on every node")
}
