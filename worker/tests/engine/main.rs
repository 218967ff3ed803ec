//! The engine as its callers see it: bytes in, bytes out.
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
