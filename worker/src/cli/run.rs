//! `collodion run`: a whole job in this process.

mod bar;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, ValueEnum};
use collodion_crds::{ByteCounts, ObjectCounts};
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_REFUSED, Exit, job_file, logs, stop};
use crate::{
    job::{self, Job, PhaseError, Progress, chain, report::Report},
    manifest::{Overrides, location_from_argument},
};
use bar::Bar;

/// Run a whole job on this machine: every rendition of every image, and a report
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    collodion run -f job.yaml\n  \
    collodion run -f job.yaml --input photos/ --output out/\n  \
    collodion run -f job.yaml --format json | jq .objects.failed\n\n\
    Run it again to go on after an interruption: with `existing: Skip`, which is the default, images \
    whose renditions are there and right are skipped.\n\n\
    Exit codes:\n  \
    0   complete\n  \
    1   more images failed than spec.failurePolicy allows\n  \
    2   the manifest can't be used, or there is nothing to do with it\n  \
    75  interrupted, or a store could not be reached")]
pub(super) struct Arguments {
    /// Manifest with an ImageJob, the same as for a cluster; - for stdin
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,

    /// Read images from this folder (a path, file:// or s3://) instead of spec.input.location
    #[arg(long, value_name = "LOCATION")]
    input: Option<String>,

    /// Write to this folder (a path, file:// or s3://) instead of spec.output.location
    #[arg(long, value_name = "LOCATION")]
    output: Option<String>,

    /// What is printed on stdout in the end
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A few lines for people
    Text,
    /// One JSON object
    Json,
}

/// The outcome as programs read it.
#[derive(Serialize)]
struct Summary<'a> {
    state: &'a str,
    objects: ObjectCounts,
    bytes: ByteCounts,
    output: String,
    report: String,
    failures: String,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Exit> {
    let Arguments {
        file,
        input,
        output,
        format,
    } = arguments;
    let bar = Bar::new();
    logs::start(if bar.is_hidden() { "warn" } else { "error" });
    let location = |argument: Option<String>| argument.as_deref().map(location_from_argument).transpose();
    let unusable = |error: io::Error| Exit::caused("the location can't be used", &error);
    let overrides = Overrides {
        input: location(input).map_err(unusable)?,
        output: location(output).map_err(unusable)?,
    };
    let mut manifest = job_file::read(&file, &overrides)?;
    manifest.metadata.uid = Some(Uuid::new_v4().to_string());
    let stop = stop::on_signals().map_err(|error| Exit::caused("failed to watch for signals", &error))?;

    let result = all_phases(manifest, &bar, &stop).await;
    bar.clear();
    let (job, report) = result.map_err(|error| Exit {
        code: if matches!(error, PhaseError::Refused { .. }) {
            EXIT_REFUSED
        } else {
            EXIT_INTERRUPTED
        },
        message: chain(&error),
    })?;
    let summary = match format {
        Format::Text => text(&job, &report),
        Format::Json => json(&job, &report),
    };
    match io::stdout().write_all(summary.as_bytes()) {
        // Nobody reads it: the job is done all the same.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Exit::caused("failed to write to stdout", &error));
        }
        _ => {}
    }
    Ok(if report.within_policy {
        ExitCode::SUCCESS
    } else {
        EXIT_FAILED.into()
    })
}

async fn all_phases(
    manifest: collodion_crds::ImageJob,
    bar: &Bar,
    stop: &CancellationToken,
) -> Result<(Arc<Job>, Report), PhaseError> {
    let job = Arc::new(Job::open(manifest, None).await?);
    let progress = Progress::default();
    let planned = bar.planning(&progress, job::plan::plan(&job, &progress, stop)).await?;
    // No other process works on this job: any name will do.
    let pod = "run";
    let mut finished = ObjectCounts {
        total: planned.objects,
        ..ObjectCounts::default()
    };
    for shard in 0..planned.shards {
        let progress = Progress::default();
        let work = job::shard::process(&job, shard, pod, &progress, stop);
        let counts = bar.processing(finished, &progress, work).await?.objects;
        finished.done += counts.done;
        finished.skipped += counts.skipped;
        finished.failed += counts.failed;
    }
    let report = job::report::report(&job, &Progress::default(), stop).await?;
    Ok((job, report))
}

fn state(report: &Report) -> &'static str {
    if report.within_policy { "Complete" } else { "Failed" }
}

fn text(job: &Job, report: &Report) -> String {
    let ObjectCounts {
        total,
        done,
        skipped,
        failed,
    } = report.objects;
    let seconds = report.finished.duration_since(report.started).as_secs_f64();
    let mut text = format!(
        "{}: {} images, {} done, {} skipped, {} failed; {} read, {} written, {seconds:.1} s\n",
        state(report),
        HumanCount(total),
        HumanCount(done),
        HumanCount(skipped),
        HumanCount(failed),
        HumanBytes(report.bytes.input),
        HumanBytes(report.bytes.output),
    );
    text += &format!(
        "  outputs   {}\n  report    {}\n",
        plain(job.output_uri()),
        plain(job.report_uri())
    );
    if failed > 0 {
        let reasons: Vec<String> = report
            .reasons
            .iter()
            .map(|(reason, n)| format!("{n} {reason}"))
            .collect();
        text += &format!(
            "  failures  {}\n            {}\n",
            plain(job.failures_uri()),
            reasons.join(", ")
        );
    }
    text
}

/// A local file by its path, which terminals and shells take as it is.
fn plain(uri: String) -> String {
    uri.strip_prefix("file://").map(str::to_owned).unwrap_or(uri)
}

fn json(job: &Job, report: &Report) -> String {
    let summary = Summary {
        state: state(report),
        objects: report.objects,
        bytes: report.bytes,
        output: job.output_uri(),
        report: job.report_uri(),
        failures: job.failures_uri(),
    };
    serde_json::to_string(&summary).expect("counts are plain data, which JSON can hold") + "\n"
}
