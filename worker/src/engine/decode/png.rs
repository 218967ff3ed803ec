//! PNG: every colour type, depth and interlacing, to 8 bits a channel.
use std::io::{Cursor, ErrorKind};

use png::{ColorType, DecodingError, Transformations};

use super::super::geometry::Size;
use super::super::picture::Raster;
use super::super::{Format, RenderError};

pub(super) fn decode(bytes: &[u8]) -> Result<Raster, RenderError> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: usize::MAX });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(error)?;
    let length = reader
        .output_buffer_size()
        .ok_or_else(|| undecodable("its pixels don't fit in memory".to_owned()))?;
    let mut pixels = vec![0; length];
    let frame = reader.next_frame(&mut pixels).map_err(error)?;
    // What follows the pixels shows whether the file is whole.
    reader.finish().map_err(error)?;
    pixels.truncate(frame.buffer_size());
    let channels = match frame.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err(undecodable("its palette is missing".to_owned())),
    };
    Ok(Raster::new(Size::new(frame.width, frame.height), channels, pixels).without_opaque_alpha())
}

/// What the decoder says, as an error of the engine.
pub(in crate::engine) fn error(error: DecodingError) -> RenderError {
    match error {
        DecodingError::IoError(cause) if cause.kind() == ErrorKind::UnexpectedEof => RenderError::Truncated {
            format: Format::Png,
            detail: "its data ends before its picture".to_owned(),
        },
        other => undecodable(other.to_string()),
    }
}

fn undecodable(detail: String) -> RenderError {
    RenderError::Undecodable {
        format: Format::Png,
        detail: detail.trim_end_matches('.').to_owned(),
    }
}
