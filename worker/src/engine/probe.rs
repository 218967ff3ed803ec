//! What a source's header says: format by content, size, orientation, colour profile. No pixel is decoded.
use std::borrow::Cow;
use std::io::Cursor;

use super::ffi;
use super::ffi::jpeg::JpegHeader;
use super::ffi::webp::WebpHeader;
use super::format::{Format, sniff};
use super::geometry::Size;
use super::orient::Orientation;
use super::segments::{jpeg_segments, riff_chunks};
use super::{Limits, RenderError};

/// Most bytes that a PNG's compressed metadata may take in memory.
const PNG_METADATA_BYTES: usize = 16 << 20;

/// A source whose header has been read.
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) kind: Kind,
    /// Size in pixels as stored, before it is turned upright.
    pub(super) stored: Size,
    pub(super) orientation: Orientation,
    pub(super) icc: Option<Vec<u8>>,
}

/// What is known of a source by its format.
pub(super) enum Kind {
    Jpeg {
        header: Box<JpegHeader>,
        /// Whether it bears Adobe's mark, and so stores CMYK inverted.
        adobe: bool,
    },
    Png,
    Webp(WebpHeader),
}

// === impl Source ===

impl<'a> Source<'a> {
    /// Reads a source's header.
    pub(super) fn probe(bytes: &'a [u8]) -> Result<Self, RenderError> {
        match sniff(bytes)? {
            Format::Jpeg => jpeg(bytes),
            Format::Png => png(bytes),
            Format::Webp => webp(bytes),
        }
    }

    /// Reads a source's header and holds it against the limits.
    pub(super) fn admit(bytes: &'a [u8], limits: &Limits) -> Result<Self, RenderError> {
        let size = bytes.len() as u64;
        if size > limits.bytes {
            return Err(RenderError::TooManyBytes {
                bytes: size,
                limit: limits.bytes,
            });
        }
        let source = Self::probe(bytes)?;
        if source.stored.pixels() > limits.pixels {
            let Size { width, height } = source.upright();
            return Err(RenderError::TooManyPixels {
                width,
                height,
                limit: limits.pixels,
            });
        }
        Ok(source)
    }

    pub(super) fn format(&self) -> Format {
        match self.kind {
            Kind::Jpeg { .. } => Format::Jpeg,
            Kind::Png => Format::Png,
            Kind::Webp(_) => Format::Webp,
        }
    }

    /// Size in pixels once upright.
    pub(super) fn upright(&self) -> Size {
        self.orientation.turned(self.stored)
    }
}

fn jpeg(bytes: &[u8]) -> Result<Source<'_>, RenderError> {
    let mut header = ffi::jpeg::header(bytes).map_err(super::decode::jpeg_error)?;
    if header.precision != 8 {
        return Err(RenderError::UnsupportedFormat {
            kind: "12-bit and 16-bit JPEG",
        });
    }
    if header.lossless {
        return Err(RenderError::UnsupportedFormat { kind: "lossless JPEG" });
    }
    let mut exif = None;
    let mut adobe = false;
    for (marker, payload) in jpeg_segments(bytes) {
        match marker {
            0xe1 if exif.is_none() => exif = payload.strip_prefix(b"Exif\0").and_then(|rest| rest.get(1..)),
            0xee => adobe |= payload.starts_with(b"Adobe"),
            _ => {}
        }
    }
    Ok(Source {
        bytes,
        stored: Size::new(header.width, header.height),
        orientation: exif.map(orientation).unwrap_or_default(),
        icc: header.icc.take(),
        kind: Kind::Jpeg {
            header: Box::new(header),
            adobe,
        },
    })
}

fn png(bytes: &[u8]) -> Result<Source<'_>, RenderError> {
    let limits = png::Limits {
        bytes: PNG_METADATA_BYTES,
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_ignore_text_chunk(true);
    let reader = decoder.read_info().map_err(super::decode::png_error)?;
    let info = reader.info();
    if info.animation_control().is_some_and(|control| control.num_frames > 1) {
        return Err(RenderError::UnsupportedAnimation { format: Format::Png });
    }
    Ok(Source {
        bytes,
        stored: Size::new(info.width, info.height),
        orientation: info.exif_metadata.as_deref().map(orientation).unwrap_or_default(),
        icc: info
            .icc_profile
            .as_ref()
            .map(|profile| Cow::into_owned(profile.clone())),
        kind: Kind::Png,
    })
}

fn webp(bytes: &[u8]) -> Result<Source<'_>, RenderError> {
    let header = ffi::webp::header(bytes).map_err(super::decode::webp_error)?;
    if header.animated {
        return Err(RenderError::UnsupportedAnimation { format: Format::Webp });
    }
    let (mut exif, mut icc) = (None, None);
    for (id, payload) in riff_chunks(bytes) {
        match id {
            // Some writers leave the prefix in that EXIF has in a JPEG.
            b"EXIF" => exif = Some(payload.strip_prefix(b"Exif\0\0").unwrap_or(payload)),
            b"ICCP" => icc = Some(payload.to_vec()),
            _ => {}
        }
    }
    Ok(Source {
        bytes,
        stored: Size::new(header.width, header.height),
        orientation: exif.map(orientation).unwrap_or_default(),
        icc,
        kind: Kind::Webp(header),
    })
}

/// The orientation in a block of EXIF; upright where it has none or can't be read.
fn orientation(tiff: &[u8]) -> Orientation {
    let mut reader = exif::Reader::new();
    reader.continue_on_error(true);
    let Ok(exif) = reader
        .read_raw(tiff.to_vec())
        .or_else(|error| error.distill_partial_result(|_| ()))
    else {
        return Orientation::default();
    };
    let value = exif
        .get_field(exif::Tag::Orientation, exif::In::PRIMARY)
        .and_then(|field| field.value.get_uint(0));
    value.map(Orientation::from_exif).unwrap_or_default()
}
