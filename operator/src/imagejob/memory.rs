//! What the operator remembers between reconciles of an ImageJob. All of it may be lost at any time: it spares work and
//! smooths numbers, and decides nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use collodion_crds::wire::Progress;
use k8s_openapi::jiff::Timestamp;

/// What is remembered of every ImageJob, by namespace and name.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<(String, String), Entry>>);

/// What is remembered of one ImageJob.
#[derive(Debug, Default)]
pub struct Entry {
    /// The UID: another ImageJob of the same name starts anew.
    uid: String,
    /// Reconciles that failed in a row.
    pub failures: u32,
    /// When its status was last written.
    pub written: Option<Instant>,
    /// The last that was heard of each shard.
    pub shards: BTreeMap<i32, Heard>,
    /// Since when, and from which count on, speed is measured.
    pub pace: Option<Pace>,
}

/// What was heard of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// How far it is.
    pub progress: Progress,
    /// When that was.
    pub at: Instant,
}

/// The start of a measurement of speed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// When it started.
    pub since: Timestamp,
    /// Images that were finished by then.
    pub finished: u64,
}

impl Memory {
    /// Reads or changes what is remembered of an ImageJob.
    pub fn with<T>(&self, namespace: &str, name: &str, uid: &str, change: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry((namespace.to_owned(), name.to_owned())).or_default();
        if entry.uid != uid {
            *entry = Entry {
                uid: uid.to_owned(),
                ..Entry::default()
            };
        }
        change(entry)
    }

    /// Forgets an ImageJob.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(namespace.to_owned(), name.to_owned()));
    }
}
