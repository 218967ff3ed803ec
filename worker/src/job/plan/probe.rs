//! The protocol stands on conditional writes: a store that ignores them is found out before anything is written.

use crate::{
    job::{Job, PhaseError, chain},
    storage::{Condition, ErrorKind, Put, StorageError},
};

/// Checks that the output's store refuses to create what exists and to replace what is not as expected.
///
/// # Errors
/// Refuses a store that does not.
pub(super) async fn check(job: &Job) -> Result<(), PhaseError> {
    let key = job.layout.probe();
    let probe = || Put::once(&key, "text/plain", "shows whether conditions are honoured\n");
    let created = job.output.put(probe()).await;
    if let Err(error) = created
        && error.kind() != ErrorKind::PreconditionFailed
    {
        return Err(unusable(job, error));
    }
    for condition in [
        Condition::IfAbsent,
        Condition::IfMatch("00000000000000000000000000000000".to_owned()),
    ] {
        match job
            .output
            .put(Put {
                condition: condition.clone(),
                ..probe()
            })
            .await
        {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
            Err(error) => return Err(unusable(job, error)),
            Ok(_) => {
                let header = if condition == Condition::IfAbsent {
                    "If-None-Match"
                } else {
                    "If-Match"
                };
                let message = format!(
                    "the store of {} ignores {header} on writes, so two pods could overwrite each other's results: \
                     use a store that honours conditional writes",
                    job.output.uri("")
                );
                return Err(PhaseError::refused("UnsafeStore", message));
            }
        }
    }
    Ok(())
}

fn unusable(job: &Job, error: StorageError) -> PhaseError {
    match error.kind() {
        ErrorKind::NoBucket | ErrorKind::NotFound => PhaseError::refused(
            "OutputNotFound",
            format!(
                "there is no bucket for {}: create it, then run the job again",
                job.output.uri("")
            ),
        ),
        ErrorKind::Invalid => PhaseError::refused("UnsafeStore", chain(&error)),
        _ => error.into(),
    }
}
