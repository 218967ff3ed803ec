//! Tries again what fails for a moment: capped exponential backoff with full jitter, as in "Exponential Backoff And
//! Jitter" of the AWS Architecture Blog. The only place where storage operations are retried.

use std::time::Duration;

use super::StorageError;

/// How often and how patiently an operation is tried. Tries of the default span about a minute at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Tries in all, at least 1.
    pub(super) tries: u32,
    /// Upper bound of the first pause; doubles with each.
    pub(super) base: Duration,
    /// Upper bound of every pause.
    pub(super) cap: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            tries: 10,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(20),
        }
    }
}

impl Policy {
    /// The pause after try number `tried` (from 1), for a random number from 0 to 1.
    fn pause(&self, tried: u32, random: f64) -> Duration {
        let bound = self
            .base
            .saturating_mul(1u32.checked_shl(tried - 1).unwrap_or(u32::MAX))
            .min(self.cap);
        bound.mul_f64(random)
    }

    /// Runs `operation` until it succeeds, fails for good, or its tries are used up.
    pub(super) async fn run<T, F>(&self, mut operation: impl FnMut() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let mut tried = 1;
        loop {
            match operation().await {
                Err(error) if error.is_transient() && tried < self.tries => {
                    let pause = self.pause(tried, fastrand::f64());
                    tracing::debug!(%error, cause = error_cause(&error), tried, ?pause, "trying again");
                    tokio::time::sleep(pause).await;
                    tried += 1;
                }
                result => return result,
            }
        }
    }
}

fn error_cause(error: &StorageError) -> String {
    std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{super::ErrorKind, *};

    const QUICK: Policy = Policy {
        tries: 4,
        base: Duration::from_micros(1),
        cap: Duration::from_micros(5),
    };

    async fn tries_of(kind: ErrorKind, succeed_at: u32) -> (u32, bool) {
        let tries = Cell::new(0);
        let result = QUICK.run(|| {
            tries.set(tries.get() + 1);
            let result = if tries.get() == succeed_at {
                Ok(())
            } else {
                Err(StorageError::new("get", "x", kind))
            };
            async { result }
        });
        let succeeded = result.await.is_ok();
        (tries.get(), succeeded)
    }

    #[tokio::test]
    async fn only_transient_failures_are_tried_again_and_not_for_ever() {
        assert_eq!(tries_of(ErrorKind::Transient, 3).await, (3, true));
        assert_eq!(tries_of(ErrorKind::Transient, 9).await, (4, false));
        assert_eq!(tries_of(ErrorKind::Denied, 2).await, (1, false));
        assert_eq!(tries_of(ErrorKind::PreconditionFailed, 2).await, (1, false));
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_jitter_down_to_nothing() {
        let policy = Policy::default();
        let bounds: Vec<u128> = (1..=9).map(|tried| policy.pause(tried, 1.0).as_millis()).collect();
        assert_eq!(bounds, [200, 400, 800, 1600, 3200, 6400, 12800, 20000, 20000]);
        assert_eq!(policy.pause(100, 1.0), policy.cap);
        assert_eq!(policy.pause(5, 0.0), Duration::ZERO);
    }
}
