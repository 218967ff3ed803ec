//! The programs of the cluster, built from the tools modules.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// The name a program goes by in the cluster, and its file.
pub type Tool = (String, PathBuf);

/// Builds what is not built yet, and returns every program with the name it goes by in the cluster.
///
/// # Errors
/// When a module can't be built; which and why is on standard error by then.
pub fn build() -> Result<Vec<Tool>> {
    let script = repository().join("e2e/tools/build");
    let output = Command::new(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.with_context(|| format!("failed to start {}", script.display()))?;
    if !output.status.success() {
        bail!("the cluster's programs could not be built; the reason stands above");
    }
    let mut programs = Vec::new();
    for folder in String::from_utf8(output.stdout)
        .context("a path that is not UTF-8")?
        .lines()
    {
        for entry in fs::read_dir(folder).with_context(|| format!("failed to list {folder}"))? {
            let path = entry?.path();
            let name = path
                .file_name()
                .context("a program without a name")?
                .to_string_lossy()
                .into_owned();
            // etcd's program has the name of its Go package.
            let name = if name == "server" { "etcd".to_owned() } else { name };
            programs.push((name, path));
        }
    }
    Ok(programs)
}

/// Root of the repository that the harness was built from.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// Folder for what is worth keeping between clusters.
///
/// # Errors
/// When no environment variable says where.
pub fn cache() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("COLLODION_CACHE") {
        return Ok(cache.into());
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    Ok(cache
        .context("none of COLLODION_CACHE, XDG_CACHE_HOME and HOME is set")?
        .join("collodion"))
}
