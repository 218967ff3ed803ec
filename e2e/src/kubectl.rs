//! `kubectl` and `helm`, as a person would use them.

use std::{
    ffi::OsStr,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{command::output, home::Home};

/// Which cluster, and the programs to reach it with.
#[derive(Clone, Debug)]
pub struct Target {
    /// The kubeconfig file.
    pub kubeconfig: PathBuf,
    /// Folder that holds `kubectl` and `helm`; those on `PATH` when empty.
    pub bin: PathBuf,
}

impl From<&Home> for Target {
    fn from(home: &Home) -> Self {
        Self {
            kubeconfig: home.kubeconfig(),
            bin: home.bin(),
        }
    }
}

impl Target {
    /// A command of `kubectl` or `helm` for this cluster.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }
}

/// Runs `kubectl`.
///
/// # Errors
/// When it fails; the error holds what it said.
pub fn kubectl<I: IntoIterator<Item: AsRef<OsStr>>>(target: &Target, args: I) -> Result<String> {
    output(target.command("kubectl").args(args))
}

/// `kubectl apply` of a manifest, unknown fields being errors.
///
/// # Errors
/// When the API server refuses it; the error holds the sentence that a person would read.
pub fn apply(target: &Target, manifest: &str) -> Result<()> {
    let mut command = target.command("kubectl");
    command.args(["apply", "--validate=strict", "-f", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to start kubectl")?;
    child
        .stdin
        .take()
        .context("kubectl takes no input")?
        .write_all(manifest.as_bytes())?;
    let done = child.wait_with_output().context("failed to wait for kubectl")?;
    if !done.status.success() {
        bail!("kubectl apply: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}
