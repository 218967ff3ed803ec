//! The phases of a job as pods run them: the job comes from a mounted file, and what came of it goes to the
//! termination log and the exit code.

use std::{fs, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use collodion_crds::{ImageJob, wire::Outcome};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{EXIT_INTERRUPTED, EXIT_REFUSED, Exit, listen, logs, stop};
use crate::job::{self, Job, PhaseError, Progress};

/// Most bytes of a termination message that Kubernetes keeps.
const TERMINATION_BYTES: usize = 4096;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The whole ImageJob, metadata.uid and defaults included, as JSON
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,

    /// Folder of mounted Secrets (secrets/NAME/KEY) and ConfigMaps (configmaps/NAME/KEY); the usual AWS environment
    /// when left out
    #[arg(long, value_name = "FOLDER")]
    mounts: Option<PathBuf>,

    /// Answer /progress, /healthz and /metrics on this address meanwhile
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// Leave the outcome there as JSON
    #[arg(long, value_name = "FILE")]
    termination_log: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ShardArguments {
    #[command(flatten)]
    phase: Arguments,

    /// Number of the shard, from 0
    #[arg(long, env = "JOB_COMPLETION_INDEX", value_name = "NUMBER")]
    index: u32,

    /// Name that no other process uses; a random one when left out
    #[arg(long, env = "POD_UID", value_name = "UID")]
    pod_uid: Option<String>,
}

pub(super) async fn plan(arguments: Arguments) -> Result<ExitCode, Exit> {
    phase(arguments, async |job, progress, stop| {
        let job::plan::Planned { shards, objects, bytes } = job::plan::plan(&job, progress, stop).await?;
        Ok(Outcome::Planned { shards, objects, bytes })
    })
    .await
}

pub(super) async fn shard(arguments: ShardArguments) -> Result<ExitCode, Exit> {
    let ShardArguments {
        phase: arguments,
        index,
        pod_uid,
    } = arguments;
    let pod = pod_uid.unwrap_or_else(|| Uuid::new_v4().to_string());
    phase(arguments, async |job, progress, stop| {
        Ok(Outcome::Processed(
            job::shard::process(&job, index, &pod, progress, stop).await?,
        ))
    })
    .await
}

pub(super) async fn report(arguments: Arguments) -> Result<ExitCode, Exit> {
    phase(arguments, async |job, progress, stop| {
        let report = job::report::report(&job, progress, stop).await?;
        let job::report::Report {
            objects,
            bytes,
            within_policy,
            ..
        } = report;
        Ok(Outcome::Reported {
            objects,
            bytes,
            within_policy,
            report: job.report_uri(),
        })
    })
    .await
}

async fn phase(
    arguments: Arguments,
    work: impl AsyncFnOnce(Arc<Job>, &Progress, &CancellationToken) -> Result<Outcome, PhaseError>,
) -> Result<ExitCode, Exit> {
    logs::start("info");
    let Arguments {
        file,
        mounts,
        listen: address,
        termination_log,
    } = arguments;
    let failed = |what: &str, error: &dyn std::error::Error| Exit {
        code: EXIT_INTERRUPTED,
        ..Exit::caused(what, error)
    };
    let stop = stop::on_signals().map_err(|error| failed("failed to watch for signals", &error))?;
    let progress = Arc::new(Progress::default());
    if let Some(address) = address {
        let listening = listen::listen(address, Arc::clone(&progress)).await;
        listening.map_err(|error| failed(&format!("failed to listen on {address}"), &error))?;
    }
    let result = async {
        let job = Arc::new(Job::open(read(&file)?, mounts.as_deref()).await?);
        work(job, &progress, &stop).await
    };
    let result = result.await;
    let outcome = result.as_ref().map_or_else(PhaseError::outcome, Outcome::clone);
    if let Some(path) = termination_log {
        let message = termination_message(outcome.clone());
        fs::write(&path, message).map_err(|error| failed(&format!("failed to write {}", path.display()), &error))?;
    }
    match result {
        Ok(_) => {
            tracing::info!(?outcome, "the phase is done");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let code = if matches!(error, PhaseError::Refused { .. }) {
                EXIT_REFUSED
            } else {
                EXIT_INTERRUPTED
            };
            Err(Exit {
                code,
                message: job::chain(&error),
            })
        }
    }
}

fn read(file: &PathBuf) -> Result<ImageJob, PhaseError> {
    let refuse = |error: &dyn std::error::Error| PhaseError::Refused {
        reason: "InvalidJob",
        message: format!("{} can't be used: {error}", file.display()),
    };
    let text = fs::read(file).map_err(|error| refuse(&error))?;
    serde_json::from_slice(&text).map_err(|error| refuse(&error))
}

/// The outcome as JSON, its message cut to what Kubernetes keeps.
fn termination_message(mut outcome: Outcome) -> Vec<u8> {
    loop {
        let json = serde_json::to_vec(&outcome).expect("an outcome is plain data, which JSON can hold");
        let (Outcome::Refused { message, .. } | Outcome::Interrupted { message }) = &mut outcome else {
            return json;
        };
        if json.len() <= TERMINATION_BYTES || message.is_empty() {
            return json;
        }
        // Every character dropped makes the JSON at least one byte shorter.
        let keep = message.chars().count().saturating_sub(json.len() - TERMINATION_BYTES);
        *message = message.chars().take(keep).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_termination_message_fits_whatever_it_says() {
        for text in ["x", "\"", "\u{1}", "ü😀"] {
            let outcome = Outcome::Interrupted {
                message: text.repeat(5000),
            };
            let json = termination_message(outcome);
            assert!(json.len() <= TERMINATION_BYTES, "{}", json.len());
            serde_json::from_slice::<Outcome>(&json).unwrap();
        }
    }
}
