//! The container images of the test cluster: what goes into each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    command::output,
    oci::Image,
    progress::step,
    tools::{Tool, cache, repository},
};

/// Repository of the operator's image.
pub const OPERATOR: &str = "registry.local/collodion/operator";
/// Repository of the worker's image.
pub const WORKER: &str = "registry.local/collodion/worker";
/// Tag of both.
pub const TAG: &str = "e2e";

const CA_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Builds every image and puts the archives into a folder, by links.
///
/// # Errors
/// When an archive can't be written.
pub fn build(folder: &Path, tools: &[Tool], programs: &Programs) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let archives = cache()?.join("images");
    forget_old(&archives);
    let scratch = archives.join(format!(".programs-{}", std::process::id()));
    fs::create_dir_all(&scratch).with_context(|| format!("failed to make {}", scratch.display()))?;
    let (_, versitygw) = tools
        .iter()
        .find(|(name, _)| name == "versitygw")
        .context("the S3 server was not built")?;
    let images = [
        ("pause", pause(&scratch)?),
        ("s3", plain("registry.local/versitygw:e2e", versitygw)),
        (
            "operator",
            of_crate(&scratch, &programs.operator, &format!("{OPERATOR}:{TAG}"))?,
        ),
        (
            "worker",
            of_crate(&scratch, &programs.worker, &format!("{WORKER}:{TAG}"))?,
        ),
    ];
    for (name, image) in images {
        let archive = image.archive(&archives)?;
        let link = folder.join(format!("{name}.tar"));
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&archive, &link).with_context(|| format!("failed to link {}", archive.display()))?;
    }
    fs::remove_dir_all(&scratch).with_context(|| format!("failed to remove {}", scratch.display()))
}

/// Removes archives that nothing has used for a day; a cluster that runs has its own copies.
fn forget_old(archives: &Path) {
    const AGE: Duration = Duration::from_secs(24 * 3600);
    let old = |entry: &fs::DirEntry| {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age > AGE))
    };
    for entry in fs::read_dir(archives).into_iter().flatten().flatten().filter(old) {
        let _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path()));
    }
}

/// The workspace's own programs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `collodion-operator`.
    pub operator: PathBuf,
    /// `collodion`.
    pub worker: PathBuf,
}

impl Programs {
    /// Builds them as tests use them: `with` is `--bins`, and beside it `--tests` in a run of tests, whose
    /// dependencies have other features; so nothing is built twice.
    ///
    /// # Errors
    /// When the build fails; the reason is on standard error by then.
    pub fn build(with: &[&str]) -> Result<Self> {
        let _step = step("operator and worker");
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--workspace"]).args(with);
        build
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(repository());
        // What cargo tells a test of its package, build scripts of dependencies would take for a change.
        let of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars().filter(|(name, _)| of_package(name)) {
            build.env_remove(name);
        }
        let built = build
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("failed to start cargo")?;
        if !built.status.success() {
            bail!("operator and worker could not be built; the reason stands above");
        }
        let messages = String::from_utf8(built.stdout).context("cargo's messages are not UTF-8")?;
        let messages: Vec<Value> = messages
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let find = |name: &str| {
            // A program's own unit tests are an executable of the same name.
            let named = messages.iter().filter(|message| message["target"]["name"] == name);
            let mut artifacts = named.filter(|message| message["profile"]["test"] == false);
            let executable = artifacts.find_map(|artifact| artifact["executable"].as_str());
            executable
                .map(PathBuf::from)
                .with_context(|| format!("the workspace builds no program {name}"))
        };
        Ok(Self {
            operator: find("collodion-operator")?,
            worker: find("collodion")?,
        })
    }
}

/// A static C program.
fn pause(scratch: &Path) -> Result<Image> {
    let program = scratch.join("pause");
    let source = repository().join("e2e/images/pause.c");
    output(
        Command::new("cc")
            .args(["-Os", "-static", "-s", "-o"])
            .arg(&program)
            .arg(source),
    )?;
    Ok(plain("registry.local/pause:3", &program))
}

/// A program of the workspace, without debug information, with its shared libraries and the public certificates.
fn of_crate(scratch: &Path, program: &Path, reference: &str) -> Result<Image> {
    let stripped = scratch.join(program.file_name().context("a program without a name")?);
    output(Command::new("strip").arg("-o").arg(&stripped).arg(program))?;
    let mut image = plain(reference, &stripped);
    for library in libraries(&stripped)? {
        image.files.push((library.clone(), library.into()));
    }
    if Path::new(CA_CERTIFICATES).exists() {
        image.files.push((CA_CERTIFICATES.to_owned(), CA_CERTIFICATES.into()));
    }
    Ok(image)
}

fn plain(reference: &str, program: &Path) -> Image {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let entrypoint = format!("/usr/local/bin/{name}");
    Image {
        reference: reference.to_owned(),
        files: vec![(entrypoint.clone(), program.to_owned())],
        entrypoint,
    }
}

/// Paths of a program's shared libraries and of the loader.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let listed = output(Command::new("ldd").arg(program))?;
    let paths = listed
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(str::to_owned).collect())
}
