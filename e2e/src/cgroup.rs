//! Control groups of the nodes: each node's pods live below a group of its own, in every hierarchy of version 1 or
//! in the one of version 2.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::node::Node;

const ROOT: &str = "/sys/fs/cgroup";

/// A node's group, as the kubelet names it.
pub fn of(node: Node) -> String {
    format!("/collodion-{}", node.name())
}

/// Makes a node's group.
///
/// # Errors
/// When a hierarchy is not writable.
pub fn create(node: Node) -> Result<()> {
    if is_unified() {
        delegate()?;
    }
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(of(node).trim_start_matches('/'));
        fs::create_dir_all(&group).with_context(|| format!("failed to make the control group {}", group.display()))?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            // A new group of version 1 has neither CPUs nor memory until it is given some.
            if !is_unified() && hierarchy.join(file).exists() {
                fs::copy(hierarchy.join(file), group.join(file)).with_context(|| format!("failed to set {file}"))?;
            }
        }
    }
    Ok(())
}

/// Lets groups below the root of version 2 have the controllers that a kubelet wants in its own: an init system hands
/// out only some of them.
fn delegate() -> Result<()> {
    let root = Path::new(ROOT);
    let controllers = fs::read_to_string(root.join("cgroup.controllers")).context("failed to read the controllers")?;
    let wanted = |controller: &&str| ["cpu", "cpuset", "hugetlb", "memory", "pids"].contains(controller);
    for controller in controllers.split_whitespace().filter(wanted) {
        fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"))
            .with_context(|| format!("failed to hand on the controller {controller} of {ROOT}"))?;
    }
    Ok(())
}

/// Removes a node's groups, from the innermost outwards.
///
/// # Errors
/// When one still holds processes after five seconds.
pub fn remove(node: Node) -> Result<()> {
    for hierarchy in hierarchies()? {
        remove_tree(&hierarchy.join(of(node).trim_start_matches('/')))?;
    }
    Ok(())
}

fn remove_tree(group: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(group) else {
        return Ok(());
    };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        remove_tree(&entry.path())?;
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Err(error) = fs::remove_dir(group) {
        if Instant::now() > deadline {
            return Err(error).with_context(|| format!("failed to remove the control group {}", group.display()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn hierarchies() -> Result<Vec<PathBuf>> {
    if is_unified() {
        return Ok(vec![PathBuf::from(ROOT)]);
    }
    let entries = fs::read_dir(ROOT).with_context(|| format!("failed to list {ROOT}"))?;
    let folders = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders
        .map(|entry| entry.path())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect())
}

fn is_unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}
