//! Makes an image's renditions: looks what is there, fetches, renders, uploads.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use collodion_crds::Rendition;
use futures::future::try_join_all;
use tokio::{sync::Semaphore, task};

use super::write::{Written, look, write};
use crate::{
    engine::{self, Format, RenderError, Rendered},
    job::{
        Job, chain, expected_format,
        ledger::{Decision, Found, Look, Mark, decide},
        row::{Failure, Image, Output, Row, State},
    },
    storage::{ErrorKind, StorageError},
};

/// Most bytes of sources held in memory at a time.
const SOURCE_MEMORY: u64 = 256 << 20;
/// Bytes that one permit for source memory stands for.
const MEMORY_UNIT: u64 = 64 << 10;

/// Where images are made. Downloads, renderings and uploads overlap, each within bounds: a download never holds a
/// core, and a core never waits for the store.
pub(super) struct Workshop {
    job: Arc<Job>,
    cores: Semaphore,
    memory: Semaphore,
}

/// What is to become of one image.
struct Task<'a> {
    job: &'a Job,
    image: &'a Image,
    outputs: Vec<Output>,
    failure: Option<Failure>,
    read: u64,
}

/// A rendition that is to be made.
struct Missing {
    /// Its position in the job.
    n: usize,
    /// The key that it will probably have, and what was found there; none where the image's key does not tell.
    looked: Option<(String, Option<Found>)>,
}

impl Workshop {
    pub(super) fn new(job: Arc<Job>, cores: usize) -> Self {
        let memory = SOURCE_MEMORY.max(job.limits().bytes) / MEMORY_UNIT + 1;
        let memory = usize::try_from(memory)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(u32::MAX as usize);
        Self {
            job,
            cores: Semaphore::new(cores),
            memory: Semaphore::new(memory),
        }
    }

    /// Makes an image's renditions.
    ///
    /// # Errors
    /// Fails where a store can't be used. What is wrong with the image itself is in its row.
    pub(super) async fn make(&self, image: Image, row: u32) -> Result<Row, StorageError> {
        let start = Instant::now();
        let mut task = Task {
            job: &self.job,
            image: &image,
            outputs: Vec::new(),
            failure: None,
            read: 0,
        };
        let missing = task.look().await?;
        if !missing.is_empty() {
            self.render(&mut task, missing).await?;
        }
        let Task {
            outputs, failure, read, ..
        } = task;
        let state = match &failure {
            Some(failure) => {
                tracing::warn!(
                    key = image.key,
                    reason = failure.reason,
                    message = failure.message,
                    "image failed"
                );
                State::Failed
            }
            None if outputs.iter().any(|output| output.written) => State::Done,
            None => State::Skipped,
        };
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Image { key, size, etag } = image;
        Ok(Row {
            row,
            key,
            etag,
            state,
            size,
            read,
            millis,
            outputs,
            failure,
        })
    }

    /// Fetches the image and makes the renditions that are missing.
    async fn render(&self, task: &mut Task<'_>, missing: Vec<Missing>) -> Result<(), StorageError> {
        let (job, image) = (task.job, task.image);
        let limits = job.limits();
        if image.size > limits.bytes {
            let message = format!("it has {} bytes, spec.limits.bytes allows {}", image.size, limits.bytes);
            task.fail("TooManyBytes", message, None);
            return Ok(());
        }
        let permits = u32::try_from(image.size / MEMORY_UNIT + 1).unwrap_or(u32::MAX);
        let _memory = self
            .memory
            .acquire_many(permits)
            .await
            .expect("the semaphore is never closed");
        let source = match job.input.get(&image.key, Some(&image.etag), limits.bytes).await {
            Ok(object) => object.bytes,
            Err(error) => {
                let (reason, message) = match error.kind() {
                    ErrorKind::NotFound => ("SourceGone", "it was there when the job was planned".to_owned()),
                    ErrorKind::PreconditionFailed => (
                        "SourceChanged",
                        "it is not the one that was there when the job was planned".to_owned(),
                    ),
                    ErrorKind::TooLarge => ("TooManyBytes", chain(&error)),
                    ErrorKind::Invalid => ("SourceUnreadable", chain(&error)),
                    ErrorKind::NoBucket | ErrorKind::Denied | ErrorKind::Transient => return Err(error),
                };
                task.fail(reason, message, None);
                return Ok(());
            }
        };
        task.read = source.len() as u64;
        let recipes: Vec<Rendition> = missing
            .iter()
            .map(|missing| job.spec.renditions[missing.n].clone())
            .collect();
        match self.run_engine(source, recipes, limits).await {
            Err(failure) => task.failure = Some(failure),
            Ok(rendered) => {
                for (missing, rendered) in missing.into_iter().zip(rendered) {
                    match rendered {
                        Ok(rendered) => task.publish(missing, rendered).await?,
                        Err(error) => task.fail(error.reason(), chain(&error), Some(missing.n)),
                    }
                }
            }
        }
        Ok(())
    }

    async fn run_engine(
        &self,
        source: Bytes,
        renditions: Vec<Rendition>,
        limits: engine::Limits,
    ) -> Result<Vec<Result<Rendered, RenderError>>, Failure> {
        let _core = self.cores.acquire().await.expect("the semaphore is never closed");
        let rendered = task::spawn_blocking(move || engine::render_all(&source, &renditions, &limits)).await;
        let (reason, message) = match rendered {
            Ok(Ok(rendered)) => return Ok(rendered),
            Ok(Err(error)) => (RenderError::reason(&error), chain(&error)),
            Err(panic) => ("EngineFault", format!("the engine failed on it: {panic}")),
        };
        Err(Failure {
            reason: reason.to_owned(),
            message,
            rendition: None,
        })
    }
}

impl Task<'_> {
    /// Looks at what is there and answers the renditions that are to be made.
    async fn look(&mut self) -> Result<Vec<Missing>, StorageError> {
        let (job, image) = (self.job, self.image);
        let looks = job.spec.renditions.iter().map(|rendition| async {
            let Some(format) = expected_format(&rendition.encode, &image.key) else {
                return Ok(None);
            };
            let key = job.output_key(&image.key, rendition, format.extension());
            match look(job, &key).await {
                Ok(found) => Ok(Some((key, found))),
                // The write will say what is wrong with the key.
                Err(error) if error.kind() == ErrorKind::Invalid => Ok(None),
                Err(error) => Err(error),
            }
        });
        let mut missing = Vec::new();
        for (n, looked) in try_join_all(looks).await?.into_iter().enumerate() {
            let Some((key, found)) = looked else {
                missing.push(Missing { n, looked: None });
                continue;
            };
            match decide(found.as_ref(), &self.mark(n), job.spec.output.existing, Look::Before) {
                Decision::Write => missing.push(Missing {
                    n,
                    looked: Some((key, found)),
                }),
                decision => self.settle(n, key, found.map_or(0, |found| found.bytes), decision),
            }
        }
        // Made by an earlier pod of this job, which read the source but did not live to say so.
        if missing.is_empty() && self.outputs.iter().any(|output| output.written) {
            self.read = image.size;
        }
        Ok(missing)
    }

    /// Puts a finished rendition in its place.
    async fn publish(&mut self, missing: Missing, rendered: Rendered) -> Result<(), StorageError> {
        let Missing { n, looked } = missing;
        let rendition = &self.job.spec.renditions[n];
        let key = self
            .job
            .output_key(&self.image.key, rendition, Format::extension(rendered.format));
        let bytes = rendered.bytes.len() as u64;
        let looked = looked.filter(|(looked, _)| *looked == key).map(|(_, found)| found);
        match write(self.job, &key, &self.mark(n), rendered, looked).await {
            Ok(Written { decision, found }) => {
                self.settle(n, key, found.map_or(bytes, |found| found.bytes), decision);
            }
            Err(error) if error.kind() == ErrorKind::Invalid => self.fail("InvalidOutput", chain(&error), Some(n)),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                self.fail(
                    "OutputContended",
                    format!("others keep writing {}", self.job.output.uri(&key)),
                    Some(n),
                );
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes note of what was decided about a rendition.
    fn settle(&mut self, n: usize, key: String, bytes: u64, decision: Decision) {
        let rendition = self.job.spec.renditions[n].name.clone();
        match decision {
            Decision::Write | Decision::Done => self.outputs.push(Output {
                rendition,
                key,
                bytes,
                written: true,
            }),
            Decision::Keep => self.outputs.push(Output {
                rendition,
                key,
                bytes,
                written: false,
            }),
            Decision::Exists => self.fail("OutputExists", format!("{} exists", self.job.output.uri(&key)), Some(n)),
            Decision::Collision => {
                let message = format!("{} belongs to another image", self.job.output.uri(&key));
                self.fail("OutputCollision", message, Some(n));
            }
        }
    }

    fn mark(&self, n: usize) -> Mark {
        Mark::new(&self.job.uid, &self.image.key, &self.image.etag, &self.job.recipes[n])
    }

    /// Counts the image as failed; the first cause is the one told.
    fn fail(&mut self, reason: &str, message: String, rendition: Option<usize>) {
        let rendition = rendition.map(|n| self.job.spec.renditions[n].name.clone());
        self.failure.get_or_insert(Failure {
            reason: reason.to_owned(),
            message,
            rendition,
        });
    }
}
