//! Starting a cluster and removing it, step by step.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    addons, certs, cgroup, chart, control_plane,
    home::{Home, MachineLock},
    images::{self, Programs},
    init::link_programs,
    kubectl::{Target, kubectl},
    network,
    node::Node,
    process,
    progress::step,
    s3, tools,
};

/// Starts a cluster with S3 and Collodion in it. It belongs to this process until [`Home::disown`]: a later start
/// removes what is left of a cluster whose owner has ended. What [`crate::prerequisites`] names has to be there.
///
/// # Errors
/// When a step fails; what has been started stays for a look, until the next start or [`down`].
pub fn up(home: &Home, harness: &Path, programs: &Programs) -> Result<()> {
    let tools = {
        let _step = step("programs of the cluster");
        tools::build()?
    };
    let lock = MachineLock::take()?;
    clear(&lock, home)?;
    home.create()?;
    lock.record(home)?;
    link_programs(home, &tools)?;
    fs::copy(harness, home.bin().join("collodion-e2e")).context("failed to copy the harness")?;

    {
        let _step = step("container images");
        images::build(&home.path("images"), &tools, programs)?;
    }
    certs::create(home)?;
    network::create()?;
    let target = Target::from(home);
    {
        let _step = step("control plane");
        control_plane::start(home)?;
        for node in Node::ALL {
            network::add_node(node, &Node::ALL)?;
            node.power_on(home)?;
        }
        control_plane::wait_until_ready(home)?;
        addons::create(home)?;
        control_plane::start_dns(home)?;
    }
    s3::deploy(&target, Some(home))?;
    chart::install(&target)?;
    {
        let _step = step("nodes");
        wait_for_nodes(home)?;
    }
    {
        let _step = step("S3 server");
        s3::wait_until_ready(&target)?;
    }
    let _step = step("operator");
    chart::wait_until_ready(&target)
}

/// Removes a cluster, and the one that an interrupted run left: processes, mounts, links, routes, control groups and
/// files.
///
/// # Errors
/// When something of it can't be removed.
pub fn down(home: &Home) -> Result<()> {
    let lock = MachineLock::take()?;
    match lock.recorded()? {
        Some(other) if other.root() != home.root() && other.is_wanted() => {
            eprintln!("the cluster in {} is in use and stays", other.root().display());
            remove(home, false)
        }
        Some(recorded) => {
            remove(&recorded, true)?;
            lock.forget();
            remove(home, false)
        }
        None => remove(home, false),
    }
}

/// Makes way for a cluster: removes what a dead one left, and refuses to touch a living one.
fn clear(lock: &MachineLock, home: &Home) -> Result<()> {
    let Some(recorded) = lock.recorded()? else {
        return home.remove();
    };
    if recorded.is_wanted() {
        let root = recorded.root().display();
        bail!("this machine runs a cluster already, in {root}: use it, or remove it with `make cluster-down`");
    }
    remove(&recorded, true)?;
    lock.forget();
    home.remove()
}

fn remove(home: &Home, owns_machine: bool) -> Result<()> {
    for name in process::names(home) {
        process::kill(home, &name)?;
    }
    if owns_machine {
        network::remove()?;
        for node in Node::ALL {
            cgroup::remove(node)?;
        }
    }
    home.remove()
}

fn wait_for_nodes(home: &Home) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    let target = Target::from(home);
    loop {
        control_plane::check(home)?;
        for node in Node::ALL.map(Node::name) {
            if !process::is_running(home, &node) {
                bail!("{node} has ended; it said last:\n{}", process::log_tail(home, &node));
            }
        }
        let path = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}";
        let ready = kubectl(&target, ["get", "nodes", "-o", path])?;
        if ready.split_whitespace().filter(|status| *status == "True").count() == Node::ALL.len() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let nodes = kubectl(&target, ["describe", "nodes"])?;
            bail!("not all nodes are ready after two minutes:\n{nodes}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
