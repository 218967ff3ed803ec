//! What the cluster takes from the machine: root, and a few programs of the distribution.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{command::output, init, progress::step};

/// Programs and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 10] = [
    ("cc", "gcc libc6-dev"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("ldd", "libc-bin"),
    ("mount", "mount"),
    ("nft", "nftables"),
    ("runc", "runc"),
    ("strip", "binutils"),
    ("unshare", "util-linux"),
];

/// Checks for everything, and on Debian installs what is missing.
///
/// # Errors
/// When something is missing that can't be installed; the error says what to do.
pub fn ensure() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the cluster needs root, for namespaces, mounts and control groups: run this with sudo");
    }
    let missing = missing();
    if missing.is_empty() {
        return init::check_plugins();
    }
    let packages = missing.join(" ");
    if find("apt-get").is_none() {
        bail!("install what Debian calls {packages}, then try again");
    }
    let _step = step(&format!("installing {packages}"));
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "--yes", "--no-install-recommends"]);
        apt.args(packages.split(' '));
        output(&mut apt)
    };
    // A machine that never fetched the package lists has to do so first.
    if install().is_err() {
        output(Command::new("apt-get").arg("update"))?;
        install()?;
    }
    init::check_plugins()
}

fn missing() -> Vec<&'static str> {
    let programs = PROGRAMS.iter().filter(|(program, _)| find(program).is_none());
    let mut packages: Vec<_> = programs.map(|(_, package)| *package).collect();
    if init::check_plugins().is_err() {
        packages.push("containernetworking-plugins");
    }
    packages
}

fn find(program: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    folders
        .map(|folder| format!("{folder}/{program}"))
        .find(|file| Path::new(file).is_file())
}
