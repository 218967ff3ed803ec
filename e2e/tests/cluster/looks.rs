//! Whether a rendition looks like one that the `image` crate makes of the same source.

use anyhow::{Context, Result, ensure};
use image::{
    DynamicImage, GenericImageView, Rgb, RgbImage,
    imageops::{self, FilterType},
};

use crate::manifest::{PAGE, THUMB};

/// Largest mean difference of a channel that different filters, lossy encoders and a crop that is off by half a pixel
/// explain, of 255, once fine grain
/// is averaged out.
const TOLERANCE: f64 = 5.0;
/// Sides of the squares, in pixels, over which grain is averaged.
const GRAIN: u32 = 4;

/// Checks that an output of a rendition decodes, has the right size and looks as it should.
pub(crate) fn check(source: &[u8], rendition: &str, output: &[u8]) -> Result<()> {
    let source = image::load_from_memory(source).context("failed to decode the source")?;
    let output = image::load_from_memory(output).context("failed to decode the output")?;
    let expected = match rendition {
        "thumb" => source.resize_to_fill(THUMB, THUMB, FilterType::CatmullRom),
        "page" if source.width().max(source.height()) <= PAGE => source,
        "page" => source.resize(PAGE, PAGE, FilterType::CatmullRom),
        other => anyhow::bail!("no rendition is named {other}"),
    };
    let (is, should) = (output.dimensions(), expected.dimensions());
    ensure!(is == should, "the output has {is:?} pixels instead of {should:?}");
    let difference = mean_difference(&on_white(&output), &on_white(&expected));
    ensure!(
        difference < TOLERANCE,
        "the output differs by {difference:.1} of 255 in the mean"
    );
    Ok(())
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    let total: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    total as f64 / a.len() as f64
}

fn on_white(image: &DynamicImage) -> RgbImage {
    let rgba = image.to_rgba8();
    let flat = RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, alpha] = rgba.get_pixel(x, y).0.map(u32::from);
        Rgb([r, g, b].map(|channel| u8::try_from((channel * alpha + 255 * (255 - alpha)) / 255).unwrap_or(255)))
    });
    imageops::resize(
        &flat,
        flat.width().div_ceil(GRAIN),
        flat.height().div_ceil(GRAIN),
        FilterType::Triangle,
    )
}
