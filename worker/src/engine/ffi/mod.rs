//! The two C libraries behind JPEG and WebP. Unsafe code lives here and nowhere else: what comes out is checked
//! Rust, lengths included.
pub(super) mod jpeg;
pub(super) mod webp;
