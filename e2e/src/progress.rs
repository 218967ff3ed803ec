//! What a person who waits is told: one line a step, with the time it took.

use std::time::Instant;

/// A step under way; its end is told when it is dropped.
#[derive(Debug)]
pub struct Step {
    name: String,
    start: Instant,
}

/// Begins a step.
pub fn step(name: &str) -> Step {
    Step {
        name: name.to_owned(),
        start: Instant::now(),
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() { "broken off" } else { "" };
        eprintln!("{:>6.1} s  {} {outcome}", self.start.elapsed().as_secs_f64(), self.name);
    }
}
