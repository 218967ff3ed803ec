//! Encoding: a finished picture to bytes.
mod jpeg;
mod png;
mod webp;

use super::geometry::Size;
use super::picture::Picture;
use super::{Format, RenderError};

/// Encodes a picture. `quality` is 1 to 100, of no meaning for PNG. JPEG takes no alpha, PNG no planes.
pub(super) fn encode(picture: Picture, format: Format, quality: u8) -> Result<Vec<u8>, RenderError> {
    let encoded = match format {
        Format::Jpeg => jpeg::encode(picture, quality),
        Format::Png => png::encode(picture),
        Format::Webp => webp::encode(picture, quality),
    };
    encoded.map_err(|detail| RenderError::Encode { format, detail })
}

/// Holds a picture's size against the longest side that a format can store.
pub(super) fn check_size(size: Size, format: Format) -> Result<(), RenderError> {
    let longest = match format {
        Format::Jpeg => jpeg::MAX_SIDE,
        Format::Png => return Ok(()),
        Format::Webp => webp::MAX_SIDE,
    };
    if size.width.max(size.height) <= longest {
        return Ok(());
    }
    let bound = format!("the {longest} that a side of a {} may have", format.name());
    Err(RenderError::OutputTooLarge {
        width: size.width.into(),
        height: size.height.into(),
        bound,
    })
}
