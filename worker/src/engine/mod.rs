//! The engine: bytes in, bytes out. Knows neither async, files, HTTP nor S3.
use collodion_crds::{Encode, Rendition};

/// What an image may ask of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (width × height) of a source.
    pub pixels: u64,
    /// Most bytes of a source.
    pub bytes: u64,
}

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

/// What a source's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format, found by content.
    pub format: Format,
    /// Width in pixels once upright.
    pub width: u32,
    /// Height in pixels once upright.
    pub height: u32,
}

/// A finished rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The encoded image.
    pub bytes: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
}

/// Why an image can't be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// placeholder
    #[error("x")]
    X,
}

impl RenderError {
    /// The cause in CamelCase, as failure rows and metrics name it.
    pub fn reason(&self) -> &'static str {
        todo!()
    }
}

impl Format {
    /// The file name extension, without the dot.
    pub fn extension(self) -> &'static str {
        todo!()
    }
    /// The media type.
    pub fn media_type(self) -> &'static str {
        todo!()
    }
    /// The format that a file name's extension promises (`jpeg`, `JPG`, …), if it is one the engine knows.
    pub fn from_extension(_extension: &str) -> Option<Self> {
        todo!()
    }
    /// The format that `encode` asks for, given the source's own.
    pub fn of_output(_encode: &Encode, _source: Self) -> Self {
        todo!()
    }
}

/// Reads a source's header.
pub fn probe(_source: &[u8]) -> Result<Header, RenderError> {
    todo!()
}

/// Renders one rendition of a source.
pub fn render(_source: &[u8], _rendition: &Rendition, _limits: &Limits) -> Result<Rendered, RenderError> {
    todo!()
}

/// Renders several renditions of a source from one decode; the results are in the order of the renditions.
pub fn render_all(_source: &[u8], _renditions: &[Rendition], _limits: &Limits) -> Result<Vec<Rendered>, RenderError> {
    todo!()
}

/// A stable hash of a rendition's canonical form and the engine's output version, in hex.
pub fn recipe_hash(_rendition: &Rendition) -> String {
    todo!()
}
