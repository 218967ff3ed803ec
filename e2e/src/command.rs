//! Running programs: what they were asked and what they said is in the error when they fail.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a program and returns what it wrote to its standard output.
///
/// # Errors
/// When it can't be started or ends with anything but success; the error holds its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to start {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} ended with {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program named with its arguments in one line, split at spaces.
///
/// # Errors
/// As [`output`].
pub fn run(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("no program to run")?;
    output(Command::new(program).args(words))
}

/// A command as one would type it.
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
