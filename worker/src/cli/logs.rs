//! Logs go to stderr, as much of them as `COLLODION_LOG` asks for.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts logging; `default` is what is logged where the environment does not say.
pub(super) fn start(default: &str) {
    let filter = EnvFilter::builder().with_env_var("COLLODION_LOG").try_from_env();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // It is started once a process; a second start would only mean that logs are on already.
    let _ = logs.with_env_filter(filter).try_init();
}
