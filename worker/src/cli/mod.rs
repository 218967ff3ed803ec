//! The command line: jobs on this machine, single pictures, and the phases that pods run.

mod job_file;
mod listen;
mod logs;
mod phase;
mod render;
mod run;
mod stop;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use collodion_crds::wire;

use crate::job::chain;

/// Image processing for Kubernetes, on this machine.
#[derive(Debug, Parser)]
#[command(name = "collodion", version, max_term_width = 100)]
#[command(
    long_about = "Collodion renders images: whole folders and buckets of them by a manifest (run), or one at a \
    time (render). The manifests are those that its operator takes in a cluster."
)]
#[command(
    after_help = "Environment:\n  COLLODION_LOG   what is logged to stderr, as in warn or collodion=debug\n  \
    AWS_*           credentials, region and profile for s3:// locations, as every AWS tool takes them"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Render(render::Arguments),
    /// Plan a job and cut it into shards (run by the operator's pods)
    Plan(phase::Arguments),
    /// Work on one shard of a planned job (run by the operator's pods)
    Shard(phase::ShardArguments),
    /// Report on a job whose shards are finished (run by the operator's pods)
    Report(phase::Arguments),
}

/// Exit code of a job of which more images failed than its failure policy allows.
const EXIT_FAILED: u8 = 1;
/// Exit code of what can't be done, now or later: a manifest that can't be used, for one.
const EXIT_REFUSED: u8 = wire::EXIT_REFUSED as u8;
/// Exit code of what was interrupted and can go on: EX_TEMPFAIL of sysexits.h.
const EXIT_INTERRUPTED: u8 = 75;

/// Why a command ended early: what to say, and the exit code.
#[derive(Debug)]
struct Exit {
    code: u8,
    message: String,
}

/// Runs a command to its end. Errors are one line on stderr.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&Exit {
                code: EXIT_INTERRUPTED,
                message: error.to_string(),
            });
        }
    };
    let result = match cli.command {
        Command::Run(arguments) => runtime.block_on(run::run(arguments)),
        Command::Render(arguments) => render::render(&arguments),
        Command::Plan(arguments) => runtime.block_on(phase::plan(arguments)),
        Command::Shard(arguments) => runtime.block_on(phase::shard(arguments)),
        Command::Report(arguments) => runtime.block_on(phase::report(arguments)),
    };
    // What still runs in the background holds nothing that is not durable.
    runtime.shutdown_background();
    result.unwrap_or_else(|exit| fail(&exit))
}

fn fail(exit: &Exit) -> ExitCode {
    let _ = writeln!(io::stderr(), "collodion: {}", exit.message);
    exit.code.into()
}

// === impl Exit ===

impl Exit {
    /// What the user gave can't be used.
    fn refused(what: impl Into<String>) -> Self {
        Self {
            code: EXIT_REFUSED,
            message: what.into(),
        }
    }

    /// As [`Exit::refused`], with the cause.
    fn caused(what: &str, error: &dyn std::error::Error) -> Self {
        Self::refused(format!("{what}: {}", chain(error)))
    }
}
