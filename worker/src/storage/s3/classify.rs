//! Sorts the answers and failures of S3 into the kinds that callers tell apart.

use std::{error::Error, io};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
};

use super::{ErrorKind, StorageError};

/// The error of one try at an operation.
pub(super) fn classify<E>(operation: &'static str, uri: String, error: SdkError<E, HttpResponse>) -> StorageError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let kind = match &error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => ErrorKind::Transient,
        SdkError::DispatchFailure(failure) if failure.is_user() => ErrorKind::Invalid,
        SdkError::DispatchFailure(failure) if failure.as_connector_error().is_some_and(|e| is_untrusted(e)) => {
            ErrorKind::Denied
        }
        // A connection that ends in the middle of an answer is of no kind but counts as one to try again.
        SdkError::DispatchFailure(failure)
            if failure.is_io() || failure.is_timeout() || failure.as_other().is_some() =>
        {
            ErrorKind::Transient
        }
        SdkError::ServiceError(answer) => of_answer(answer.raw().status().as_u16(), error.code()),
        // Nobody could sign the request.
        _ => ErrorKind::Denied,
    };
    let why = match &error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            format!(
                "{status} {}: {}",
                error.code().unwrap_or_default(),
                error.message().unwrap_or_default()
            )
            .trim_end_matches([':', ' '])
            .to_owned()
        }
        other => DisplayErrorContext(other).to_string(),
    };
    StorageError::new(operation, uri, kind).with_source(why)
}

/// Whether the server's certificate was refused. That does not pass within a minute, and says nothing of one object.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // The source of an I/O error is not the error it wraps but that one's source.
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|wrapped| wrapped as _),
            None => error.source(),
        };
    }
    false
}

/// Codes are told apart only where the status alone means several things.
fn of_answer(status: u16, code: Option<&str>) -> ErrorKind {
    match (status, code) {
        (_, Some("NoSuchBucket")) => ErrorKind::NoBucket,
        (_, Some("RequestTimeout" | "SlowDown" | "ThrottlingException")) => ErrorKind::Transient,
        // Another conditional write of this key was under way: what it left is seen by trying again.
        (409, Some("ConditionalRequestConflict" | "OperationAborted")) => ErrorKind::Transient,
        // An archived object, as in Glacier: says nothing of the others.
        (_, Some("InvalidObjectState")) => ErrorKind::Invalid,
        (401 | 403, _) | (400, Some("ExpiredToken" | "InvalidToken")) => ErrorKind::Denied,
        // The store's key is disabled or about to be deleted: no object is at fault.
        (400, Some(code)) if code.starts_with("KMS.") => ErrorKind::Denied,
        (404, _) => ErrorKind::NotFound,
        (409 | 412, _) => ErrorKind::PreconditionFailed,
        (400, Some("BadDigest" | "IncompleteBody" | "XAmzContentChecksumMismatch")) => ErrorKind::Transient,
        (501, _) => ErrorKind::Invalid,
        (408 | 429 | 500.., _) => ErrorKind::Transient,
        _ => ErrorKind::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_what_can_be_done_about_them() {
        for (status, code, kind) in [
            (404, Some("NoSuchKey"), ErrorKind::NotFound),
            (404, None, ErrorKind::NotFound),
            (404, Some("NoSuchBucket"), ErrorKind::NoBucket),
            (412, Some("PreconditionFailed"), ErrorKind::PreconditionFailed),
            (409, Some("ConditionalRequestConflict"), ErrorKind::Transient),
            (403, Some("AccessDenied"), ErrorKind::Denied),
            (400, Some("ExpiredToken"), ErrorKind::Denied),
            (400, Some("KMS.DisabledException"), ErrorKind::Denied),
            (400, Some("IncompleteBody"), ErrorKind::Transient),
            (400, Some("RequestTimeout"), ErrorKind::Transient),
            (400, Some("InvalidArgument"), ErrorKind::Invalid),
            (301, Some("PermanentRedirect"), ErrorKind::Invalid),
            (501, Some("NotImplemented"), ErrorKind::Invalid),
            (429, None, ErrorKind::Transient),
            (500, None, ErrorKind::Transient),
            (503, Some("SlowDown"), ErrorKind::Transient),
        ] {
            assert_eq!(of_answer(status, code), kind, "{status} {code:?}");
        }
    }
}
