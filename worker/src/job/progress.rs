//! How far a phase is: counters that rows are added to from anywhere and that anyone may read at any time.

use std::sync::{Mutex, PoisonError};

use collodion_crds::wire;

use super::row::{self, Row};

/// Counters of one process.
#[derive(Debug, Default)]
pub struct Progress(Mutex<wire::Progress>);

impl Progress {
    /// What is counted so far, at one moment.
    pub fn now(&self) -> wire::Progress {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn expect(&self, images: u64) {
        self.change(|counts| counts.objects.total += images);
    }

    pub(super) fn add(&self, row: &Row) {
        self.change(|counts| row::count(counts, row));
    }

    pub(super) fn set(&self, counts: wire::Progress) {
        self.change(|own| *own = counts);
    }

    fn change(&self, change: impl FnOnce(&mut wire::Progress)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
