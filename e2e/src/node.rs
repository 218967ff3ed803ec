//! The cluster's nodes: starting them, and what tests do to them.

use std::{fmt, process::Command, str::FromStr};

use anyhow::{Result, bail};

use crate::{cgroup, home::Home, network, process};

/// One of the cluster's nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(u8);

impl Node {
    /// All nodes.
    pub const ALL: [Self; 3] = [Self(1), Self(2), Self(3)];

    /// The node's number, from 1.
    pub fn index(self) -> u8 {
        self.0
    }

    /// The node's name in Kubernetes.
    pub fn name(self) -> String {
        format!("node{}", self.0)
    }

    /// The node's address.
    pub fn address(self) -> String {
        format!("172.30.0.1{}", self.0)
    }

    /// The addresses of the node's pods.
    pub fn pod_range(self) -> String {
        format!("10.244.{}.0/24", self.0)
    }

    /// Switches the node on: in namespaces of its own, [`crate::init`] is its first process.
    ///
    /// # Errors
    /// When its processes can't be started.
    pub fn power_on(self, home: &Home) -> Result<()> {
        let name = self.name();
        if process::is_running(home, &name) {
            bail!("{name} is switched on already");
        }
        cgroup::create(self)?;
        let mut command = Command::new("nsenter");
        // `ip netns exec` would mount a new /sys, without the control groups.
        command.arg(format!("--net={}", network::netns_file(self)));
        command.args(["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]);
        command
            .arg(home.bin().join("collodion-e2e"))
            .arg("--home")
            .arg(home.root())
            .args(["node", "init", &name]);
        process::start(home, &name, &command)
    }

    /// Cuts the node's power: kubelet, container runtime and every pod end at once.
    ///
    /// # Errors
    /// When a process does not end.
    pub fn power_off(self, home: &Home) -> Result<()> {
        process::kill(home, &self.name())
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl FromStr for Node {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|node| node.name() == name) {
            Some(node) => Ok(node),
            None => bail!(
                "there is no node {name}: the cluster has {}",
                Self::ALL.map(Self::name).join(", ")
            ),
        }
    }
}
