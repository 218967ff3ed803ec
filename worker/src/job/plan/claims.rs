//! No two images want one output.

use std::{collections::HashSet, hash::BuildHasher};

use crate::job::{Job, PhaseError, row::Image};

/// Hashes of all outputs that are spoken for: 8 bytes each. Where two are the same, the outputs themselves decide.
#[derive(Default)]
pub(super) struct Claims {
    outputs: HashSet<u64>,
}

impl Claims {
    /// Adds the outputs of a shard's images.
    ///
    /// # Errors
    /// Refuses a job of which two images want one output, naming both.
    pub(super) async fn add(&mut self, job: &Job, shard: u32, images: &[Image]) -> Result<(), PhaseError> {
        for (position, image) in images.iter().enumerate() {
            for output in job.outputs_of(&image.key) {
                if self.outputs.insert(self.outputs.hasher().hash_one(&output)) {
                    continue;
                }
                let other = match owner(job, &images[..position], &output) {
                    Some(other) => Some(other),
                    None => earlier_owner(job, shard, &output).await?,
                };
                if let Some(other) = other {
                    return Err(collision(job, &other, &image.key, &output));
                }
            }
        }
        Ok(())
    }
}

fn owner(job: &Job, images: &[Image], output: &str) -> Option<String> {
    let owner = images
        .iter()
        .find(|image| job.outputs_of(&image.key).any(|other| other == output));
    owner.map(|image| image.key.clone())
}

async fn earlier_owner(job: &Job, shard: u32, output: &str) -> Result<Option<String>, PhaseError> {
    for earlier in 0..shard {
        let bytes = job.read(&job.layout.shard(earlier)).await?.unwrap_or_default();
        if let Some(key) = owner(job, &super::images(job, earlier, &bytes)?, output) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn collision(job: &Job, a: &str, b: &str, output: &str) -> PhaseError {
    let message = format!(
        "{} and {} would both become {}: tell them apart in spec.output.key, now {}, by {{dir}} or {{name}}",
        job.input.uri(a),
        job.input.uri(b),
        job.output.uri(output),
        job.spec.output.key
    );
    PhaseError::refused("OutputCollision", message)
}
