//! The cluster's network: one bridge, and for each node a network namespace with a cable to it.
//!
//! The host has routes to every node's pods, so the API server reaches webhooks, and a person every pod, by address.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::{command::run, node::Node};

/// Address of the host on the bridge, where the API server and the cluster's DNS server listen.
pub const HOST_ADDRESS: &str = "172.30.0.1";
/// Addresses of pods.
pub const POD_RANGE: &str = "10.244.0.0/16";
/// Addresses of Services.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// Address of the API server's Service.
pub const API_SERVICE: &str = "10.96.0.1";
/// Address of the DNS Service.
pub const DNS_SERVICE: &str = "10.96.0.10";

const BRIDGE: &str = "collodion0";
const BRIDGE_PREFIX: &str = "172.30.0.";

/// Makes the bridge and the host's part of the network.
///
/// # Errors
/// When something else on this machine uses the addresses.
pub fn create() -> Result<()> {
    let routes = run("ip -4 route show")?;
    for prefix in [BRIDGE_PREFIX, "10.244."] {
        if let Some(route) = routes.lines().find(|route| route.starts_with(prefix)) {
            bail!("the test cluster needs the addresses {prefix}*, which this machine routes elsewhere: {route}");
        }
    }
    run(&format!("ip link add {BRIDGE} type bridge"))?;
    run(&format!("ip addr add {HOST_ADDRESS}/24 dev {BRIDGE}"))?;
    run(&format!("ip link set {BRIDGE} up"))?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("failed to turn on IP forwarding")
}

/// Gives a node its namespace, its cable and its routes.
///
/// # Errors
/// When a step fails.
pub fn add_node(node: Node, others: &[Node]) -> Result<()> {
    let (netns, cable, address) = (netns(node), cable(node), node.address());
    run(&format!("ip netns add {netns}"))?;
    run(&format!("ip link add {cable} type veth peer name eth0 netns {netns}"))?;
    run(&format!("ip link set {cable} master {BRIDGE} up"))?;
    run(&format!("ip -n {netns} addr add {address}/24 dev eth0"))?;
    run(&format!("ip -n {netns} link set eth0 up"))?;
    run(&format!("ip -n {netns} link set lo up"))?;
    run(&format!("ip -n {netns} route add default via {HOST_ADDRESS}"))?;
    run(&format!("ip route add {} via {address}", node.pod_range()))?;
    for other in others.iter().filter(|other| **other != node) {
        run(&format!(
            "ip -n {netns} route add {} via {}",
            other.pod_range(),
            other.address()
        ))?;
    }
    Ok(())
}

/// Pulls a node's cable.
///
/// # Errors
/// When the node has none.
pub fn cut(node: Node) -> Result<()> {
    run(&format!("ip link set {} down", cable(node))).map(drop)
}

/// Plugs a node's cable in again.
///
/// # Errors
/// When the node has none.
pub fn heal(node: Node) -> Result<()> {
    run(&format!("ip link set {} up", cable(node))).map(drop)
}

/// The file that names a node's network namespace.
pub fn netns_file(node: Node) -> String {
    format!("/run/netns/{}", netns(node))
}

/// Removes whatever is there of the network.
///
/// # Errors
/// When a namespace or a link that is there can't be removed.
pub fn remove() -> Result<()> {
    for node in Node::ALL {
        let link = cable(node);
        if Path::new("/sys/class/net").join(&link).exists() {
            run(&format!("ip link delete {link}"))?;
        }
        if Path::new(&netns_file(node)).exists() {
            run(&format!("ip netns delete {}", netns(node)))?;
        }
    }
    if Path::new("/sys/class/net").join(BRIDGE).exists() {
        run(&format!("ip link delete {BRIDGE}"))?;
    }
    Ok(())
}

fn netns(node: Node) -> String {
    format!("collodion-{}", node.name())
}

fn cable(node: Node) -> String {
    format!("collodion-n{}", node.index())
}
