//! Collodion's worker.

pub mod engine;
