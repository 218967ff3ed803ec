//! JPEG: straight to planes, at the smallest scale of the DCT that the output's quality allows.
//!
//! The scale follows from the one sampling that reads the picture and from nothing else, so a rendition's bytes are
//! the same whether it is made alone or with others.
use super::super::color;
use super::super::ffi::jpeg::{self as turbo, Colors, Fault, JpegHeader, Packing, Plane, Strictness};
use super::super::geometry::{Rect, Sample, Size};
use super::super::picture::{Picture, Raster};
use super::super::probe::Source;
use super::super::{Format, RenderError};

/// How much larger than the output the decoded picture has to be, by side. Scaling in the DCT is a box filter, worse
/// than Lanczos: of what is left for Lanczos to do, this is the least that scores no worse than libvips does.
const HEADROOM: f64 = 1.5;

/// The scale in eighths at which a JPEG is decoded for a sampling of its stored form.
pub(in crate::engine) fn eighths(sample: &Sample) -> u32 {
    // Of 5 to 7 eighths libjpeg-turbo has no SIMD transform: they take longer than a full decode.
    [1, 2, 3, 4]
        .into_iter()
        .find(|eighths| suffices(sample, *eighths))
        .unwrap_or(8)
}

fn suffices(sample: &Sample, eighths: u32) -> bool {
    let scale = f64::from(eighths) / 8.0;
    let large = |area: f64, output: u32| area * scale >= HEADROOM * f64::from(output);
    // Where a crop came first, what it cut off has to stay out: its edges have to lie between the scaled pixels.
    let Rect { x, y, width, height } = sample.region;
    let whole = |edge: f64, side: u32| edge == f64::from(side) || (edge * scale).fract() == 0.0;
    let apart = whole(x, sample.source.width)
        && whole(x + width, sample.source.width)
        && whole(y, sample.source.height)
        && whole(y + height, sample.source.height);
    apart && large(sample.area.width, sample.output.width) && large(sample.area.height, sample.output.height)
}

pub(super) fn decode(
    source: &Source<'_>,
    header: &JpegHeader,
    adobe: bool,
    eighths: u32,
) -> Result<Picture, RenderError> {
    let scale = f64::from(eighths) / 8.0;
    let content = (f64::from(header.width) * scale, f64::from(header.height) * scale);
    let raster = |plane: Plane, channels: u8, subsampling: (u32, u32)| Raster {
        size: Size::new(plane.width, plane.height),
        channels,
        pixels: plane.samples,
        content: (
            content.0 / f64::from(subsampling.0),
            content.1 / f64::from(subsampling.1),
        ),
    };
    if let Some(subsampling) = header.subsampling {
        let planes = strictly(|strictness| turbo::decode_planes(source.bytes, header, eighths, strictness))?;
        let mut planes = planes.into_iter();
        return Ok(match (planes.next(), planes.next(), planes.next()) {
            (Some(y), Some(cb), Some(cr)) => Picture::YCbCr([
                raster(y, 1, (1, 1)),
                raster(cb, 1, subsampling),
                raster(cr, 1, subsampling),
            ]),
            (Some(grey), ..) => Picture::Packed(raster(grey, 1, (1, 1))),
            (None, ..) => return Err(undecodable("it has no planes")),
        });
    }
    let packed =
        |packing| strictly(|strictness| turbo::decode_packed(source.bytes, header, eighths, packing, strictness));
    Ok(Picture::Packed(match header.colors {
        Colors::Cmyk => {
            let mut plane = packed(Packing::Cmyk)?;
            if !adobe {
                plane.samples.iter_mut().for_each(|ink| *ink = 255 - *ink);
            }
            plane.samples = color::cmyk_to_rgb(&plane.samples, source.icc.as_deref());
            raster(plane, 3, (1, 1))
        }
        _ => raster(packed(Packing::Rgb)?, 3, (1, 1)),
    }))
}

/// Decodes with every irregularity an error, except bytes too many before the end-of-image marker, which some cameras
/// write: that one comes up after all pixels have been read, so that passing it can hide no other.
fn strictly<T>(decode: impl Fn(Strictness) -> Result<T, Fault>) -> Result<T, RenderError> {
    let harmless = |fault: &Fault| fault.warning && fault.message.contains("extraneous bytes before marker 0xd9");
    match decode(Strictness::StopOnWarning) {
        Err(fault) if harmless(&fault) => decode(Strictness::PassWarnings).map_err(error),
        outcome => outcome.map_err(error),
    }
}

/// What libjpeg-turbo says, as an error of the engine.
pub(in crate::engine) fn error(fault: Fault) -> RenderError {
    if fault.message.contains("Premature end of") {
        return RenderError::Truncated {
            format: Format::Jpeg,
            detail: "its data ends before its picture".to_owned(),
        };
    }
    undecodable(fault.message.trim_start_matches("Corrupt JPEG data: "))
}

fn undecodable(detail: &str) -> RenderError {
    RenderError::Undecodable {
        format: Format::Jpeg,
        detail: detail.to_owned(),
    }
}
