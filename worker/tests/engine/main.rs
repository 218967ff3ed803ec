//! The engine as its callers see it: bytes in, bytes out.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic as the test itself may")]

mod alpha;
mod color;
mod golden;
mod hostile;
mod limits;
mod orientation;
mod quality;
mod sameness;
mod sizes;
mod support;
