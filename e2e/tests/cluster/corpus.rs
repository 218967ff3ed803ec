//! Images for tests: crops of the example photographs, encoded anew. The same seed makes the same images.

use std::{fs, io::Cursor, path::PathBuf};

use anyhow::{Context, Result};
use collodion_e2e::{cluster::Namespace, s3::S3, tools::repository};
use image::{
    DynamicImage, ImageFormat,
    codecs::{jpeg::JpegEncoder, webp::WebPEncoder},
};

use crate::manifest::INPUT;

/// An image to be rendered.
pub(crate) struct Picture {
    /// Key, relative to the input's folder.
    pub(crate) key: String,
    /// The file.
    pub(crate) bytes: Vec<u8>,
}

/// Makes a number of distinct images in three formats and two folders.
pub(crate) fn pictures(seed: u64, count: usize) -> Result<Vec<Picture>> {
    let photographs: Vec<_> = photographs()?.iter().map(image::open).collect::<Result<_, _>>()?;
    let mut random = Random(seed);
    let picture = |index: usize| {
        let photograph = &photographs[index % photographs.len()];
        let (width, height) = (photograph.width(), photograph.height());
        let crop = (random.within(width / 3, width), random.within(height / 3, height));
        let corner = (random.within(0, width - crop.0), random.within(0, height - crop.1));
        let image = photograph.crop_imm(corner.0, corner.1, crop.0, crop.1);
        let quality = u8::try_from(random.within(70, 95))?;
        let (bytes, extension) = encode(&image, index / photographs.len(), quality)?;
        let folder = if index.is_multiple_of(2) { "" } else { "more/of them/" };
        Ok(Picture {
            key: format!("{folder}{index:03}.{extension}"),
            bytes,
        })
    };
    (0..count).map(picture).collect()
}

/// Stores images where the job of a test finds them.
pub(crate) async fn store(s3: &S3, ns: &Namespace<'_>, pictures: &[Picture]) -> Result<()> {
    for picture in pictures {
        s3.put(&ns.name, &format!("{INPUT}{}", picture.key), picture.bytes.clone())
            .await?;
    }
    Ok(())
}

fn encode(image: &DynamicImage, kind: usize, quality: u8) -> Result<(Vec<u8>, &'static str)> {
    let mut bytes = Vec::new();
    let extension = match kind % 3 {
        0 => {
            image
                .to_rgb8()
                .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
            "jpg"
        }
        1 => {
            image.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
            "png"
        }
        _ => {
            image
                .to_rgba8()
                .write_with_encoder(WebPEncoder::new_lossless(&mut bytes))?;
            "webp"
        }
    };
    Ok((bytes, extension))
}

fn photographs() -> Result<Vec<PathBuf>> {
    let folder = repository().join("examples/photos");
    let entries = fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| ImageFormat::from_path(file).is_ok());
    files.sort();
    Ok(files)
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Random(u64);

impl Random {
    /// A number from `low` to `high`, both included.
    fn within(&mut self, low: u32, high: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + u32::try_from((bits ^ (bits >> 31)) % u64::from(high - low + 1)).unwrap_or_default()
    }
}
