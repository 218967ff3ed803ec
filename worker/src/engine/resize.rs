//! Resampling with fast_image_resize: Lanczos with three lobes, SIMD, alpha multiplied in meanwhile.
use std::ops::Range;

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};

use super::geometry::{Rect, Sample, Size};
use super::picture::{Picture, Raster};

/// The chroma planes that a sampling makes of a picture in YCbCr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chroma {
    /// As large as luma (4:4:4).
    Full,
    /// Half of luma's size, rounded up (4:2:0), each sample in the middle of the four pixels that it covers.
    Half,
}

/// A stretch of an axis of the output that is sampled in one go: the share of the area that it shows, and its
/// samples.
struct Stretch {
    from: f64,
    to: f64,
    samples: Range<u32>,
}

/// Samples a picture. `flips` tells which axes (across, down) are to be mirrored later: where an output side is odd,
/// the chroma sample that covers one pixel instead of two has to end up at the right and at the bottom.
pub(super) fn sample(picture: &Picture, sample: &Sample, chroma: Chroma, flips: (bool, bool)) -> Picture {
    let mut resizer = Resizer::new();
    match picture {
        Picture::Packed(raster) => Picture::Packed(full(&mut resizer, raster, sample)),
        Picture::YCbCr([y, cb, cr]) => {
            let luma = full(&mut resizer, y, sample);
            let mut chroma_of = |plane: &Raster| match chroma {
                Chroma::Full => full(&mut resizer, plane, sample),
                Chroma::Half => half(&mut resizer, plane, sample, flips),
            };
            let (cb, cr) = (chroma_of(cb), chroma_of(cr));
            Picture::YCbCr([luma, cb, cr])
        }
    }
}

fn full(resizer: &mut Resizer, raster: &Raster, sample: &Sample) -> Raster {
    piece(resizer, raster, sample, sample.area, sample.output)
}

fn half(resizer: &mut Resizer, raster: &Raster, sample: &Sample, flips: (bool, bool)) -> Raster {
    let columns = halved(sample.output.width, flips.0);
    let rows = halved(sample.output.height, flips.1);
    let size = Size::new(sample.output.width.div_ceil(2), sample.output.height.div_ceil(2));
    let mut samples = vec![0; size.pixels() as usize];
    for row in &rows {
        for column in &columns {
            let area = Rect {
                x: sample.area.x + sample.area.width * column.from,
                y: sample.area.y + sample.area.height * row.from,
                width: sample.area.width * (column.to - column.from),
                height: sample.area.height * (row.to - row.from),
            };
            let part = Size::new(column.samples.len() as u32, row.samples.len() as u32);
            let raster = piece(resizer, raster, sample, area, part);
            if part == size {
                return raster;
            }
            for (y, source) in row.samples.clone().zip(raster.pixels.chunks_exact(part.width as usize)) {
                let at = y as usize * size.width as usize + column.samples.start as usize;
                samples[at..at + source.len()].copy_from_slice(source);
            }
        }
    }
    Raster::new(size, 1, samples)
}

/// The stretches in which an axis of `pixels` pixels is sampled at half resolution. The one sample too many of an odd
/// axis shows one pixel, as a JPEG encoder makes it.
fn halved(pixels: u32, flip: bool) -> Vec<Stretch> {
    if pixels.is_multiple_of(2) || pixels == 1 {
        return vec![Stretch {
            from: 0.0,
            to: 1.0,
            samples: 0..pixels.div_ceil(2),
        }];
    }
    let (pairs, pixel) = (pixels / 2, 1.0 / f64::from(pixels));
    if flip {
        let single = Stretch {
            from: 0.0,
            to: pixel,
            samples: 0..1,
        };
        vec![
            single,
            Stretch {
                from: pixel,
                to: 1.0,
                samples: 1..pairs + 1,
            },
        ]
    } else {
        let even = 1.0 - pixel;
        let single = Stretch {
            from: even,
            to: 1.0,
            samples: pairs..pairs + 1,
        };
        vec![
            Stretch {
                from: 0.0,
                to: even,
                samples: 0..pairs,
            },
            single,
        ]
    }
}

/// Samples `area` of one raster to `output`; the raster may be a scaled or subsampled form of the sampling's source.
fn piece(resizer: &mut Resizer, raster: &Raster, sample: &Sample, area: Rect, output: Size) -> Raster {
    let scale = (
        raster.content.0 / f64::from(sample.source.width),
        raster.content.1 / f64::from(sample.source.height),
    );
    let (columns, left, width) = window(
        sample.region.x,
        sample.region.width,
        area.x,
        area.width,
        scale.0,
        raster.content.0,
        raster.size.width,
    );
    let (rows, top, height) = window(
        sample.region.y,
        sample.region.height,
        area.y,
        area.height,
        scale.1,
        raster.content.1,
        raster.size.height,
    );
    let pixel_type = match raster.channels {
        1 => PixelType::U8,
        2 => PixelType::U8x2,
        3 => PixelType::U8x3,
        _ => PixelType::U8x4,
    };
    const VALID: &str = "a raster holds its pixels, and windows lie within it";
    let source = ImageRef::new(raster.size.width, raster.size.height, &raster.pixels, pixel_type).expect(VALID);
    let source = CroppedImage::new(
        &source,
        columns.start,
        rows.start,
        columns.len() as u32,
        rows.len() as u32,
    )
    .expect(VALID);
    let mut target = Image::new(output.width, output.height, pixel_type);
    let options = ResizeOptions::new().crop(left, top, width, height);
    resizer.resize(&source, &mut target, &options).expect(VALID);
    Raster::new(output, raster.channels, target.into_vec())
}

/// One axis of a sampling in a raster's samples: those that may be read, and from where in them how far the output
/// reaches. All lengths are in pixels of the sampling's source; `scale` is the raster's samples a pixel.
fn window(
    region_at: f64,
    region: f64,
    area_at: f64,
    area: f64,
    scale: f64,
    content: f64,
    samples: u32,
) -> (Range<u32>, f64, f64) {
    // Less than that of a sample is rounding.
    const ROUNDING: f64 = 1e-6;
    let last = (content - ROUNDING).ceil().clamp(1.0, f64::from(samples));
    let start = (region_at * scale + ROUNDING).floor().clamp(0.0, last - 1.0);
    let end = ((region_at + region) * scale - ROUNDING)
        .ceil()
        .clamp(start + 1.0, last);
    let readable = end - start;
    let from = (area_at * scale - start).clamp(0.0, readable - ROUNDING);
    let from = if (from - from.round()).abs() < ROUNDING {
        from.round().min(readable - ROUNDING)
    } else {
        from
    };
    let mut length = (area * scale).min(readable - from).max(ROUNDING / 2.0);
    if (length - length.round()).abs() < ROUNDING && length.round() >= 1.0 && from + length.round() <= readable {
        length = length.round();
    }
    while from + length > readable {
        length = length.next_down();
    }
    (start as u32..end as u32, from, length)
}
