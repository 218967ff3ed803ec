//! Decoding: a probed source to a picture in its stored orientation.
mod jpeg;
mod png;
mod webp;

pub(super) use self::jpeg::eighths;
pub(super) use self::jpeg::error as jpeg_error;
pub(super) use self::png::error as png_error;
pub(super) use self::webp::error as webp_error;

use super::RenderError;
use super::picture::Picture;
use super::probe::{Kind, Source};

/// Decodes a source, a JPEG scaled by `eighths` / 8 (see [`eighths`]).
pub(super) fn decode(source: &Source<'_>, eighths: u32) -> Result<Picture, RenderError> {
    match &source.kind {
        Kind::Jpeg { header, adobe } => jpeg::decode(source, header, *adobe, eighths),
        Kind::Png => png::decode(source.bytes).map(Picture::Packed),
        Kind::Webp(header) => webp::decode(source.bytes, *header).map(Picture::Packed),
    }
}
