//! Leader election by a Lease, as client-go does it: of several operators one reconciles. Nothing is wrong if two do
//! for a moment, so this spares work and conflicts and guards nothing.
//!
//! Every write carries the resourceVersion that it was decided on, so of two that take a Lease at the same time one
//! fails. A Lease has expired when it did not change for its own duration by the clock of who looks at it: clocks of
//! different machines are never compared.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// Name of the Lease.
const NAME: &str = "collodion-operator";
/// A Lease that was not renewed for so long may be taken.
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long gives up: before anyone else may take the Lease.
const RENEW_DEADLINE: Duration = Duration::from_secs(14);
/// How often a leader renews.
const RENEW: Duration = Duration::from_secs(5);
/// How soon a leader tries again that could not renew.
const RETRY: Duration = Duration::from_secs(1);
/// How often the others look.
const LOOK: Duration = Duration::from_secs(2);
/// Time for one request.
const REQUEST: Duration = Duration::from_secs(4);

/// When the API server last answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contact(Option<Instant>);

/// A candidate for the Lease.
pub struct Candidate {
    leases: Api<Lease>,
    identity: String,
    seen: Option<Seen>,
    contact: watch::Sender<Contact>,
}

/// A state of the Lease and since when it has been so.
#[derive(Clone, Debug)]
struct Seen {
    version: Option<String>,
    since: Instant,
}

/// What a candidate does about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// It is ours.
    Renew,
    /// It is nobody's, or its holder has gone.
    Take,
    /// It is somebody's.
    Leave,
}

/// How an attempt to hold the Lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// It is ours.
    Ours,
    /// It is somebody else's.
    Theirs,
    /// Somebody else wrote it in between, or the API server did not answer.
    Unclear,
}

/// Why a Lease was lost.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody else holds it.
    #[error("another operator holds the lease")]
    Taken,
    /// It could not be renewed in time.
    #[error("failed to renew the lease for {} s", RENEW_DEADLINE.as_secs())]
    Expired,
}

// === impl Contact ===

impl Contact {
    /// Whether that was at most two renewals ago.
    pub fn is_recent(&self) -> bool {
        self.0.is_some_and(|at| at.elapsed() < RENEW * 2 + REQUEST)
    }
}

// === impl Candidate ===

impl Candidate {
    /// A candidate named `identity`, for the Lease in `namespace`.
    pub fn new(client: Client, namespace: &str, identity: &str) -> Self {
        let contact = watch::Sender::new(Contact::default());
        Self {
            leases: Api::namespaced(client, namespace),
            identity: identity.to_owned(),
            seen: None,
            contact,
        }
    }

    /// Tells when the API server last answered.
    pub fn contact(&self) -> watch::Receiver<Contact> {
        self.contact.subscribe()
    }

    /// Waits until the Lease is ours.
    pub async fn win(&mut self) {
        loop {
            if self.attempt().await == Attempt::Ours {
                return;
            }
            sleep(LOOK).await;
        }
    }

    /// Renews the Lease until it is lost.
    pub async fn hold(&mut self) -> Lost {
        let (mut renewed, mut wait) = (Instant::now(), RENEW);
        loop {
            sleep(wait).await;
            let now = Instant::now();
            let left = RENEW_DEADLINE.saturating_sub(now - renewed);
            match timeout(left, self.attempt()).await {
                Ok(Attempt::Ours) => (renewed, wait) = (now, RENEW),
                Ok(Attempt::Theirs) => return Lost::Taken,
                Ok(Attempt::Unclear) => wait = RETRY,
                Err(_) => return Lost::Expired,
            }
        }
    }

    /// Leaves the Lease to who comes next, if it is ours.
    pub async fn release(&mut self) {
        let released = timeout(REQUEST, async {
            let Some(mut lease) = self.leases.get_opt(NAME).await? else {
                return Ok(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(self.identity.as_str()) {
                spec.holder_identity = None;
                self.leases.replace(NAME, &PostParams::default(), &lease).await?;
            }
            Ok::<_, kube::Error>(())
        });
        match released.await {
            Ok(Ok(())) => tracing::info!("released the lease"),
            Ok(Err(error)) => tracing::warn!(%error, "failed to release the lease"),
            Err(_) => tracing::warn!("failed to release the lease in time"),
        }
    }

    /// Takes or renews the Lease if that is due.
    async fn attempt(&mut self) -> Attempt {
        match timeout(REQUEST, self.look()).await {
            Ok(Ok(attempt)) => {
                self.contact.send_replace(Contact(Some(Instant::now())));
                attempt
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "failed to look after the lease");
                Attempt::Unclear
            }
            Err(_) => {
                tracing::warn!("the API server did not answer about the lease in time");
                Attempt::Unclear
            }
        }
    }

    async fn look(&mut self) -> Result<Attempt, kube::Error> {
        let params = PostParams::default();
        let written = match self.leases.get_opt(NAME).await? {
            None => {
                let metadata = ObjectMeta {
                    name: Some(NAME.to_owned()),
                    ..ObjectMeta::default()
                };
                let lease = Lease {
                    metadata,
                    spec: Some(self.claim(None)),
                };
                self.leases.create(&params, &lease).await
            }
            Some(mut lease) => {
                let since = self.unchanged_since(&lease);
                match consider(&lease, &self.identity, since.elapsed()) {
                    Move::Leave => return Ok(Attempt::Theirs),
                    Move::Renew => lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now())),
                    Move::Take => lease.spec = Some(self.claim(lease.spec.as_ref())),
                }
                self.leases.replace(NAME, &params, &lease).await
            }
        };
        match written {
            Ok(_) => Ok(Attempt::Ours),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(Attempt::Unclear),
            Err(error) => Err(error),
        }
    }

    fn unchanged_since(&mut self, lease: &Lease) -> Instant {
        let version = &lease.metadata.resource_version;
        let seen = self.seen.take().filter(|seen| seen.version == *version);
        let seen = seen.unwrap_or_else(|| Seen {
            version: version.clone(),
            since: Instant::now(),
        });
        self.seen.insert(seen).since
    }

    fn claim(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = Some(MicroTime(Timestamp::now()));
        let transitions = before.map_or(0, |spec| spec.lease_transitions.unwrap_or_default().saturating_add(1));
        LeaseSpec {
            acquire_time: now.clone(),
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(transitions),
            renew_time: now,
            ..LeaseSpec::default()
        }
    }
}

fn consider(lease: &Lease, identity: &str, unchanged: Duration) -> Move {
    let spec = lease.spec.as_ref();
    let holder = spec
        .and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default();
    let duration = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .and_then(|seconds| u64::try_from(seconds).ok());
    if holder == identity {
        Move::Renew
    } else if holder.is_empty() || unchanged >= duration.map_or(DURATION, Duration::from_secs) {
        Move::Take
    } else {
        Move::Leave
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: Option<&str>) -> Lease {
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        };
        Lease {
            spec: Some(spec),
            ..Lease::default()
        }
    }

    #[test]
    fn a_lease_is_left_to_its_holder_until_it_has_not_changed_for_its_duration() {
        let seconds = Duration::from_secs;
        assert_eq!(consider(&held_by(Some("b")), "a", seconds(14)), Move::Leave);
        assert_eq!(consider(&held_by(Some("b")), "a", seconds(15)), Move::Take);
        assert_eq!(consider(&held_by(None), "a", seconds(0)), Move::Take);
        assert_eq!(consider(&held_by(Some("")), "a", seconds(0)), Move::Take);
        assert_eq!(consider(&held_by(Some("a")), "a", seconds(99)), Move::Renew);
        assert_eq!(consider(&Lease::default(), "a", seconds(0)), Move::Take);
    }
}
