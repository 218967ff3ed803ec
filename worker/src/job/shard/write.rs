//! Writes an output under the ledger's rules: never over what was not looked at.

use crate::{
    engine::{Format, Rendered},
    job::{
        Job,
        ledger::{Decision, Found, Look, Mark, decide},
    },
    storage::{Condition, ErrorKind, Put, StorageError},
};

/// Writes of one output that others may get in the way of.
const TRIES: usize = 5;

/// How a write ended: [`Decision::Write`] is done.
pub(super) struct Written {
    pub(super) decision: Decision,
    /// What is there instead of, or as, what was to be written.
    pub(super) found: Option<Found>,
}

/// What lies at an output's key.
pub(super) async fn look(job: &Job, key: &str) -> Result<Option<Found>, StorageError> {
    match job.output.head(key).await {
        Ok(head) => Ok(Some(head.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes an output marked with what it is made of. Where the store refuses the write or does not answer, a look
/// at what is there decides. `looked` is what was found there just before, if anyone looked.
///
/// # Errors
/// [`ErrorKind::PreconditionFailed`] where others keep getting in the way.
pub(super) async fn write(
    job: &Job,
    key: &str,
    mark: &Mark,
    rendered: Rendered,
    mut looked: Option<Option<Found>>,
) -> Result<Written, StorageError> {
    let existing = job.spec.output.existing;
    let content_type = Format::media_type(rendered.format);
    let bytes = bytes::Bytes::from(rendered.bytes);
    let mut when = Look::Before;
    let mut refused = None;
    for _ in 0..TRIES {
        let found = match looked.take() {
            Some(found) => found,
            None => match look(job, key).await {
                Ok(found) => found,
                // A look's refusal has no body that would say why: that of the write has.
                Err(error) if error.kind() == ErrorKind::Invalid && when == Look::Before => None,
                Err(error) => return Err(error),
            },
        };
        let decision = decide(found.as_ref(), mark, existing, when);
        if decision != Decision::Write {
            return Ok(Written { decision, found });
        }
        let condition = found.map_or(Condition::IfAbsent, |found| Condition::IfMatch(found.etag));
        let put = Put {
            key: key.to_owned(),
            bytes: bytes.clone(),
            content_type,
            metadata: mark.to_metadata(),
            condition,
        };
        match job.output.put(put).await {
            Ok(_) => {
                return Ok(Written {
                    decision: Decision::Done,
                    found: None,
                });
            }
            // What was there when it was looked at is another by now, or gone.
            Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound) => {
                when = Look::After;
                refused = Some(error);
            }
            // One of the tries without an answer may have arrived.
            Err(error) if error.kind() == ErrorKind::Transient => {
                let found = look(job, key).await?;
                return match decide(found.as_ref(), mark, existing, Look::After) {
                    Decision::Write => Err(error),
                    decision => Ok(Written { decision, found }),
                };
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.expect("the loop ends early unless a write was refused"))
}
