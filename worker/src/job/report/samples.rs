//! Small pictures of a few images, before and after, to look at in the report.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use collodion_crds::{Encode, EncodeFormat, Fit, Rendition, Resize, Step};

use crate::{
    engine::{self, Header, RenderError},
    job::{Job, row::Row},
    storage::StorageError,
};

/// Longest side of a picture, in pixels.
const SIDE: u32 = 360;
/// Most bytes of all pictures together.
const ALL_BYTES: usize = 1 << 20;
/// Most renditions shown of an image.
const RENDITIONS: usize = 4;

/// An image before and after.
pub(super) struct Sample {
    pub(super) key: String,
    pub(super) pictures: Vec<Picture>,
}

/// A small picture of an image or of a rendition of it.
pub(super) struct Picture {
    /// What it shows.
    pub(super) title: String,
    /// Width and height of what it shows, in pixels.
    pub(super) size: (u32, u32),
    /// Bytes of what it shows.
    pub(super) bytes: u64,
    /// The picture as a data: URI.
    pub(super) uri: String,
}

#[derive(Debug, thiserror::Error)]
enum PictureError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// Pictures of the sampled images. One that can't be had is left out: the report is about more than pictures.
pub(super) async fn pictures(job: &Job, rows: &[Row]) -> Vec<Sample> {
    let mut left = ALL_BYTES;
    let mut samples = Vec::new();
    for row in rows {
        let max = job.limits().bytes;
        let source = job
            .input
            .get(&row.key, Some(&row.etag), max)
            .await
            .map(|object| ("original".to_owned(), object));
        let mut objects = vec![source];
        for output in row.outputs.iter().take(RENDITIONS) {
            let object = job.output.get(&output.key, None, max).await;
            objects.push(object.map(|object| (output.rendition.clone(), object)));
        }
        let mut pictures = Vec::new();
        for object in objects {
            match picture(job, object).await {
                Ok(picture) if picture.uri.len() <= left => {
                    left -= picture.uri.len();
                    pictures.push(picture);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(key = row.key, %error, "no picture of it in the report"),
            }
        }
        if !pictures.is_empty() {
            samples.push(Sample {
                key: row.key.clone(),
                pictures,
            });
        }
    }
    samples
}

async fn picture(
    job: &Job,
    object: Result<(String, crate::storage::Object), StorageError>,
) -> Result<Picture, PictureError> {
    let (title, object) = object?;
    let bytes = object.bytes.len() as u64;
    let limits = job.limits();
    let (header, small) = tokio::task::spawn_blocking(move || shrink(&object.bytes, &limits)).await??;
    let uri = format!("data:image/webp;base64,{}", BASE64_STANDARD.encode(small));
    Ok(Picture {
        title,
        size: (header.width, header.height),
        bytes,
        uri,
    })
}

fn shrink(bytes: &Bytes, limits: &engine::Limits) -> Result<(Header, Vec<u8>), RenderError> {
    let resize = Resize {
        width: Some(SIDE),
        height: Some(SIDE),
        fit: Fit::Inside,
        ..Resize::default()
    };
    let small = Rendition {
        name: "small".to_owned(),
        steps: vec![Step {
            resize: Some(resize),
            ..Step::default()
        }],
        encode: Encode {
            format: EncodeFormat::Webp,
            quality: 75,
        },
    };
    let header = engine::probe(bytes)?;
    Ok((header, engine::render(bytes, &small, limits)?.bytes))
}
