//! Collodion's worker: the engine that makes pictures, the storage it reads and writes, the jobs it is put to.

pub mod engine;
pub mod manifest;
pub mod storage;
