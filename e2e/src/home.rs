//! The folder that holds everything of one cluster, and who may have a cluster on this machine.
//!
//! Bridge, addresses and control groups are global to the machine, so it runs one cluster at a time. A file under
//! `/run` names the folder of the one that runs and is locked while a cluster is started or removed.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::process::{self, Identity};

const MACHINE_RECORD: &str = "/run/collodion-cluster";

/// The folder of one cluster.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

/// Keeps others from starting or removing a cluster on this machine.
#[derive(Debug)]
pub struct MachineLock {
    _file: File,
}

// === impl Home ===

impl Home {
    /// The cluster that lives in a folder.
    ///
    /// # Errors
    /// When the path can't be made absolute.
    pub fn new(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).with_context(|| format!("failed to resolve {}", root.display()))?;
        Ok(Self { root })
    }

    /// A cluster's folder below the user's state folder.
    ///
    /// # Errors
    /// When neither `XDG_STATE_HOME` nor `HOME` is set.
    pub fn in_state_folder(name: &str) -> Result<Self> {
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let user = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let state = state
            .or(user)
            .context("neither XDG_STATE_HOME nor HOME is set: say --home FOLDER")?;
        Self::new(&state.join("collodion").join(name))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file or folder below it.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("admin.kubeconfig")
    }

    /// Folder with links to every program of the cluster.
    pub fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    /// Makes the folder, for this process to own until [`Home::disown`].
    ///
    /// # Errors
    /// When the folder holds something that is not a cluster.
    pub fn create(&self) -> Result<()> {
        let occupied = fs::read_dir(&self.root).is_ok_and(|mut entries| entries.next().is_some());
        if occupied {
            bail!(
                "{} is not empty: give the cluster a folder of its own",
                self.root.display()
            );
        }
        for folder in ["bin", "data", "images", "log", "pki", "run"] {
            fs::create_dir_all(self.path(folder)).with_context(|| format!("failed to make {}", self.root.display()))?;
        }
        fs::write(self.path("owner"), Identity::own()?.to_string()).context("failed to note the cluster's owner")
    }

    /// Lets the cluster live on after this process.
    ///
    /// # Errors
    /// When the note of the owner can't be removed.
    pub fn disown(&self) -> Result<()> {
        fs::remove_file(self.path("owner")).context("failed to release the cluster")
    }

    /// Whether a cluster lives here that somebody still wants: processes run, and their owner, if they have one, does.
    pub fn is_wanted(&self) -> bool {
        let owner = fs::read_to_string(self.path("owner")).ok();
        let owned = owner.is_none_or(|owner| owner.parse().is_ok_and(|owner: Identity| owner.is_alive()));
        owned && process::names(self).iter().any(|name| process::is_running(self, name))
    }

    /// Removes the folder, if it is a cluster's.
    ///
    /// # Errors
    /// When something in it can't be removed.
    pub fn remove(&self) -> Result<()> {
        if !self.path("run").is_dir() || !self.path("pki").is_dir() {
            return Ok(());
        }
        fs::remove_dir_all(&self.root).with_context(|| format!("failed to remove {}", self.root.display()))
    }
}

// === impl MachineLock ===

impl MachineLock {
    /// Waits for whoever starts or removes a cluster on this machine.
    ///
    /// # Errors
    /// When the lock file can't be opened.
    pub fn take() -> Result<Self> {
        let path = format!("{MACHINE_RECORD}.lock");
        let file = File::create(&path).with_context(|| format!("failed to open {path}"))?;
        file.lock().with_context(|| format!("failed to lock {path}"))?;
        Ok(Self { _file: file })
    }

    /// The cluster that was last started and not removed.
    ///
    /// # Errors
    /// When the record can't be read.
    pub fn recorded(&self) -> Result<Option<Home>> {
        match fs::read_to_string(MACHINE_RECORD) {
            Ok(root) => Home::new(Path::new(root.trim())).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {MACHINE_RECORD}")),
        }
    }

    /// Records a cluster before anything of it is started.
    ///
    /// # Errors
    /// When the record can't be written.
    pub fn record(&self, home: &Home) -> Result<()> {
        fs::write(MACHINE_RECORD, home.root().as_os_str().as_encoded_bytes())
            .with_context(|| format!("failed to write {MACHINE_RECORD}"))
    }

    /// Forgets the recorded cluster once nothing of it is left.
    pub fn forget(&self) {
        let _ = fs::remove_file(MACHINE_RECORD);
    }
}
