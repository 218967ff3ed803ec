//! Collodion's worker.

pub mod engine;
pub mod manifest;
