//! Colour: profiles other than sRGB are converted to it with moxcms; sRGB and broken ones are dropped.
//!
//! moxcms is built without its SIMD paths: which of them runs depends on the processor, and bytes may not.
use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};
use std::sync::Arc;

use super::picture::Raster;

/// How far a conversion may move any 8-bit value of a profile that still counts as sRGB: profiles of that name differ
/// from each other by rounding.
const SAME: u8 = 2;

/// A conversion to sRGB.
pub(super) enum Conversion {
    /// What each grey becomes.
    Grey(Box<[u8; 256]>),
    /// Of RGB.
    Rgb(Arc<Transform8BitExecutor>),
}

// === impl Conversion ===

impl Conversion {
    /// The conversion of `grey` or RGB pixels from a profile to sRGB; none where there is nothing to convert.
    pub(super) fn to_srgb(icc: &[u8], grey: bool) -> Option<Self> {
        let profile = ColorProfile::new_from_slice(icc).ok()?;
        let srgb = ColorProfile::new_srgb();
        let convert = |from, probe: &[u8]| {
            let transform = profile
                .create_transform_8bit(from, &srgb, Layout::Rgb, TransformOptions::default())
                .ok()?;
            let mut converted = vec![0; probe.len() / if grey { 1 } else { 3 } * 3];
            transform.transform(probe, &mut converted).ok()?;
            Some((transform, converted))
        };
        let same = |from: &[u8], to: &[u8]| from.iter().zip(to).all(|(from, to)| from.abs_diff(*to) <= SAME);
        match (profile.color_space, grey) {
            (DataColorSpace::Gray, true) => {
                let greys: [u8; 256] = std::array::from_fn(|grey| grey as u8);
                let (_, converted) = convert(Layout::Gray, &greys)?;
                let table: [u8; 256] = std::array::from_fn(|grey| converted[grey * 3 + 1]);
                (!same(&greys, &table)).then(|| Self::Grey(Box::new(table)))
            }
            (DataColorSpace::Rgb, false) => {
                let probe = lattice();
                let (transform, converted) = convert(Layout::Rgb, &probe)?;
                (!same(&probe, &converted)).then_some(Self::Rgb(transform))
            }
            // A profile of another kind of colours than the picture's is a mistake.
            _ => None,
        }
    }

    /// Converts grey or RGB pixels, alpha left as it is.
    pub(super) fn apply(&self, mut raster: Raster) -> Raster {
        match (self, raster.channels) {
            (Self::Grey(table), 1) => raster
                .pixels
                .iter_mut()
                .for_each(|grey| *grey = table[usize::from(*grey)]),
            (Self::Grey(table), 2) => {
                raster
                    .pixels
                    .as_chunks_mut::<2>()
                    .0
                    .iter_mut()
                    .for_each(|[grey, _]| *grey = table[usize::from(*grey)]);
            }
            (Self::Rgb(transform), 3) => {
                let mut converted = vec![0; raster.pixels.len()];
                if transform.transform(&raster.pixels, &mut converted).is_ok() {
                    raster.pixels = converted;
                }
            }
            (Self::Rgb(transform), 4) => {
                let rgb: Vec<u8> = raster
                    .pixels
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .flat_map(|[red, green, blue, _]| [*red, *green, *blue])
                    .collect();
                let mut converted = vec![0; rgb.len()];
                if transform.transform(&rgb, &mut converted).is_ok() {
                    for (pixel, rgb) in raster
                        .pixels
                        .as_chunks_mut::<4>()
                        .0
                        .iter_mut()
                        .zip(converted.as_chunks::<3>().0)
                    {
                        pixel[..3].copy_from_slice(rgb);
                    }
                }
            }
            _ => {}
        }
        raster
    }
}

/// Converts CMYK pixels as Adobe stores them (255 is no ink) to sRGB: by their profile or, without a usable one, by
/// taking each ink as the plain absence of its complement.
pub(super) fn cmyk_to_rgb(inverted: &[u8], icc: Option<&[u8]>) -> Vec<u8> {
    if let Some(rgb) = icc.and_then(|icc| profiled_cmyk_to_rgb(inverted, icc)) {
        return rgb;
    }
    let product = |ink: u8, black: u8| ((u32::from(ink) * u32::from(black) + 127) / 255) as u8;
    let pixels = inverted.as_chunks::<4>().0.iter();
    pixels
        .flat_map(|[cyan, magenta, yellow, black]| [*cyan, *magenta, *yellow].map(|ink| product(ink, *black)))
        .collect()
}

fn profiled_cmyk_to_rgb(inverted: &[u8], icc: &[u8]) -> Option<Vec<u8>> {
    let profile = ColorProfile::new_from_slice(icc)
        .ok()
        .filter(|profile| profile.color_space == DataColorSpace::Cmyk)?;
    // moxcms calls every layout of four channels by this name.
    let transform = profile
        .create_transform_8bit(
            Layout::Rgba,
            &ColorProfile::new_srgb(),
            Layout::Rgb,
            TransformOptions::default(),
        )
        .ok()?;
    let inks: Vec<u8> = inverted.iter().map(|ink| 255 - ink).collect();
    let mut rgb = vec![0; inks.len() / 4 * 3];
    transform.transform(&inks, &mut rgb).ok()?;
    Some(rgb)
}

/// RGB colours spread over the whole cube.
fn lattice() -> Vec<u8> {
    const STEPS: [u8; 6] = [0, 51, 102, 153, 204, 255];
    let pairs = STEPS
        .iter()
        .flat_map(|red| STEPS.iter().map(move |green| (*red, *green)));
    pairs
        .flat_map(|(red, green)| STEPS.iter().flat_map(move |blue| [red, green, *blue]))
        .collect()
}
