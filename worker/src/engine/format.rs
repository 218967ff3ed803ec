//! File formats: their names, and how they are told apart by their first bytes.
use collodion_crds::{Encode, EncodeFormat};

use super::RenderError;

/// A file format that the engine reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
}

/// Finds a file's format by its first bytes.
pub(super) fn sniff(bytes: &[u8]) -> Result<Format, RenderError> {
    let unsupported = |kind| Err(RenderError::UnsupportedFormat { kind });
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Ok(Format::Jpeg),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Ok(Format::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Format::Webp),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => unsupported("GIF"),
        [b'I', b'I', 0x2a | 0x2b, 0, ..] | [b'M', b'M', 0, 0x2a | 0x2b, ..] => unsupported("TIFF"),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.first_chunk() {
            Some(b"avif" | b"avis") => unsupported("AVIF"),
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => unsupported("HEIF"),
            _ => Err(RenderError::NotAnImage),
        },
        [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', b' ', 0x0d, 0x0a, 0x87, 0x0a, ..] => {
            unsupported("JPEG XL")
        }
        [0, 0, 0, 0x0c, b'j', b'P', b' ', b' ', 0x0d, 0x0a, 0x87, 0x0a, ..] => unsupported("JPEG 2000"),
        // A bitmap's two letters alone would claim many a text: its four reserved bytes have to be zero as well.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => unsupported("BMP"),
        [0, 0, 1, 0, 1..=255, 0, ..] => unsupported("ICO"),
        [b'8', b'B', b'P', b'S', 0, 1 | 2, ..] => unsupported("Photoshop"),
        _ if is_svg(bytes) => unsupported("SVG"),
        _ => Err(RenderError::NotAnImage),
    }
}

/// Whether an `<svg` tag opens near the start of what is otherwise text.
fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(1024)];
    let text = head.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.starts_with(b"<") && text.windows(4).any(|window| window == b"<svg")
}

// === impl Format ===

impl Format {
    /// The name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
        }
    }

    /// The file name extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    /// The format that a file name's extension promises (`jpeg`, `JPG`, …), if it is one the engine knows.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Self::Jpeg),
            "png" => Some(Self::Png),
            "webp" => Some(Self::Webp),
            _ => None,
        }
    }

    /// The format that `encode` asks for, given the source's own.
    pub fn of_output(encode: &Encode, source: Self) -> Self {
        match encode.format {
            EncodeFormat::Auto => source,
            EncodeFormat::Jpeg => Self::Jpeg,
            EncodeFormat::Png => Self::Png,
            EncodeFormat::Webp => Self::Webp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_content_alone() {
        assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Ok(Format::Jpeg));
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n"), Ok(Format::Png));
        assert_eq!(sniff(b"RIFF\0\0\0\0WEBPVP8 "), Ok(Format::Webp));
        assert_eq!(sniff(b"GIF89a"), Err(RenderError::UnsupportedFormat { kind: "GIF" }));
        assert_eq!(
            sniff(b"\0\0\0\x1cftypavif"),
            Err(RenderError::UnsupportedFormat { kind: "AVIF" })
        );
        assert_eq!(
            sniff(b"<?xml version='1.0'?>\n<svg/>"),
            Err(RenderError::UnsupportedFormat { kind: "SVG" })
        );
    }

    #[test]
    fn text_and_nothing_are_no_images() {
        for bytes in [
            &b""[..],
            b"\xff",
            b"BMW and others",
            b"hello",
            b"<html></html>",
            b"RIFF\0\0\0\0WAVE",
        ] {
            assert_eq!(sniff(bytes), Err(RenderError::NotAnImage), "{bytes:?}");
        }
    }

    #[test]
    fn extensions_are_read_in_any_case() {
        assert_eq!(Format::from_extension("JPEG"), Some(Format::Jpeg));
        assert_eq!(Format::from_extension("txt"), None);
    }
}
