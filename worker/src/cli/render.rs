//! `collodion render`: one rendition of one image.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{Exit, job_file};
use crate::{engine, job::chain, manifest::Overrides};

/// Make one rendition of one image
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  collodion render photo.jpg small.webp -f job.yaml -r thumb\n\n\
    The rendition decides the output's format, whatever OUT is called: with `format: auto` it is that of IN."
)]
pub(super) struct Arguments {
    /// The image; - for stdin
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Where the result goes; - for stdout
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// Manifest with an ImageJob
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,

    /// Name of one of its renditions
    #[arg(short, long, value_name = "NAME")]
    rendition: String,
}

pub(super) fn render(arguments: &Arguments) -> Result<ExitCode, Exit> {
    let Arguments {
        input,
        output,
        file,
        rendition: name,
    } = arguments;
    let spec = job_file::read(file, &Overrides::default())?.spec;
    let rendition = spec
        .renditions
        .iter()
        .find(|rendition| rendition.name == *name)
        .ok_or_else(|| {
            let names: Vec<&str> = spec
                .renditions
                .iter()
                .map(|rendition| rendition.name.as_str())
                .collect();
            Exit::refused(format!(
                "{} has no rendition {name}; it has {}",
                file.display(),
                names.join(", ")
            ))
        })?;
    let limits = engine::Limits {
        pixels: spec.limits.pixels.get(),
        bytes: spec.limits.bytes.get(),
    };
    let source = read(input, limits.bytes)
        .map_err(|error| Exit::caused(&format!("failed to read {}", input.display()), &error))?;
    let rendered = engine::render(&source, rendition, &limits).map_err(|error| Exit {
        code: super::EXIT_FAILED,
        message: format!("{}: {}", input.display(), chain(&error)),
    })?;
    write(output, &rendered.bytes)
        .map_err(|error| Exit::caused(&format!("failed to write {}", output.display()), &error))?;
    Ok(ExitCode::SUCCESS)
}

/// All bytes of a file, or of stdin; one more than the limit is enough to be refused.
fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let source: &mut dyn Read = if path == Path::new("-") {
        &mut io::stdin()
    } else {
        &mut fs::File::open(path)?
    };
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path == Path::new("-") {
        io::stdout().write_all(bytes)
    } else {
        fs::write(path, bytes)
    }
}
