//! WebP: lossy and lossless still images.
use super::super::ffi::webp::{self as libwebp, Fault, WebpHeader};
use super::super::geometry::Size;
use super::super::picture::Raster;
use super::super::{Format, RenderError};

pub(super) fn decode(bytes: &[u8], header: WebpHeader) -> Result<Raster, RenderError> {
    let pixels = libwebp::decode(bytes, header).map_err(error)?;
    let channels = if header.alpha { 4 } else { 3 };
    Ok(Raster::new(Size::new(header.width, header.height), channels, pixels).without_opaque_alpha())
}

/// What libwebp says, as an error of the engine.
pub(in crate::engine) fn error(fault: Fault) -> RenderError {
    let format = Format::Webp;
    match fault {
        Fault::Truncated => RenderError::Truncated {
            format,
            detail: "its data ends before its picture".to_owned(),
        },
        Fault::Invalid(what) => RenderError::Undecodable {
            format,
            detail: what.to_owned(),
        },
    }
}
