//! Long-running processes, known by files that hold their id and the time they started, so that a process that got
//! a dead one's id is never mistaken for it.

use std::{
    fmt,
    fs::{self, File},
    process::{Command, Stdio},
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

/// A process, told from any other that has or had the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pid: i32,
    /// When it started, in clock ticks since the machine did (field 22 of `/proc/PID/stat`).
    started: u64,
}

/// Starts a program in a session of its own, its output going to the cluster's log folder.
///
/// # Errors
/// When the program can't be started.
pub fn start(home: &Home, name: &str, command: &Command) -> Result<()> {
    let path = home.path(format!("log/{name}.log"));
    let log = File::options().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("failed to open {}", path.display()))?;
    let mut detached = Command::new("setsid");
    detached
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(home.root());
    detached.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    detached.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = detached.spawn().with_context(|| format!("failed to start {name}"))?;
    let identity = Identity::of(child.id().cast_signed()).with_context(|| format!("{name} ended at once"))?;
    fs::write(pid_file(home, name), identity.to_string()).with_context(|| format!("failed to note the id of {name}"))
}

/// Ends a process at once and waits until it is gone, the processes of a node with it.
///
/// # Errors
/// When it is still there after ten seconds.
pub fn kill(home: &Home, name: &str) -> Result<()> {
    let Some(identity) = read(home, name) else {
        return Ok(());
    };
    let children: Vec<_> = identity.children().into_iter().filter_map(Identity::of).collect();
    for process in std::iter::once(identity).chain(children.iter().copied()) {
        process.signal(Signal::KILL);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::iter::once(&identity).chain(&children).any(Identity::is_alive) {
        if Instant::now() > deadline {
            bail!("{name} (process {}) does not end", identity.pid);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::remove_file(pid_file(home, name)).with_context(|| format!("failed to forget the id of {name}"))
}

/// Ends every process of a control group and those below it, by the group's name, at once.
pub fn kill_in_cgroup(name: &str) {
    let Ok(entries) = fs::read_dir("/proc") else { return };
    for pid in entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        if groups.split(['/', '\n']).any(|group| group == name)
            && let Some(process) = Identity::of(pid)
        {
            process.signal(Signal::KILL);
        }
    }
}

/// Whether a process that was started under a name still runs.
pub fn is_running(home: &Home, name: &str) -> bool {
    read(home, name).is_some_and(|identity| identity.is_alive())
}

/// Names of all processes that were started and not ended here.
pub fn names(home: &Home) -> Vec<String> {
    let Ok(entries) = fs::read_dir(home.path("run")) else {
        return Vec::new();
    };
    let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    files
        .filter_map(|file| file.strip_suffix(".pid").map(str::to_owned))
        .collect()
}

/// The last lines that a process wrote.
pub fn log_tail(home: &Home, name: &str) -> String {
    let log = fs::read(home.path(format!("log/{name}.log"))).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn pid_file(home: &Home, name: &str) -> std::path::PathBuf {
    home.path(format!("run/{name}.pid"))
}

fn read(home: &Home, name: &str) -> Option<Identity> {
    fs::read_to_string(pid_file(home, name)).ok()?.parse().ok()
}

// === impl Identity ===

impl Identity {
    /// This process.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn own() -> Result<Self> {
        Self::of(std::process::id().cast_signed()).context("failed to read /proc: is it mounted?")
    }

    /// The process that has an id now; none where it has ended, reaped or not.
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut after_name = stat.rsplit_once(')')?.1.split_whitespace();
        let state = after_name.next()?;
        let started = after_name.nth(18)?.parse().ok()?;
        (state != "Z" && state != "X").then_some(Self { pid, started })
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    fn children(&self) -> Vec<i32> {
        let pid = self.pid;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    fn signal(&self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            let _ = kill_process(pid, signal); // it may just have ended
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.started)
    }
}

impl FromStr for Identity {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (pid, started) = text
            .trim()
            .split_once(' ')
            .context("expected a process id and its start time")?;
        Ok(Self {
            pid: pid.parse()?,
            started: started.parse()?,
        })
    }
}
