//! Collodion's worker: the engine that makes pictures, the storage it reads and writes, the jobs it is put to, and
//! the command line that starts it all.

pub mod cli;
mod digest;
pub mod engine;
pub mod job;
pub mod manifest;
pub mod storage;
