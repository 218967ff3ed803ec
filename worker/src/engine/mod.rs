//! The engine: bytes in, bytes out. Knows neither async, files, HTTP nor S3.
//!
//! A source goes through these modules in this order: [`probe`](self::probe()) reads its header, `geometry` folds the
//! steps into samplings, `decode` makes a picture of it, `resize` and `orient` sample it and turn it upright, `color`
//! brings it to sRGB, `encode` writes it. `draw` leads a picture through all that follows the decode.
//!
//! A JPEG without a foreign profile stays in its own planes from the first byte to the last.
//!
//! The same source bytes and the same [`recipe_hash`] give the same bytes, alone or together with other renditions,
//! on any number of threads and whatever features the processor has.

mod color;
mod decode;
mod draw;
mod encode;
mod error;
mod ffi;
mod format;
mod geometry;
mod orient;
mod picture;
mod probe;
mod recipe;
mod resize;
mod segments;

pub use self::error::RenderError;
pub use self::format::Format;
pub use self::recipe::{ENGINE_VERSION, recipe_hash};

use collodion_crds::Rendition;

use self::color::Conversion;
use self::draw::Drawing;
use self::geometry::Plan;
use self::picture::Picture;
use self::probe::{Kind, Source};

/// What an image may ask of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (width × height) of a source, and of a rendition.
    pub pixels: u64,
    /// Most bytes of a source.
    pub bytes: u64,
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

/// Reads a source's header.
///
/// # Errors
/// What is no image, is of an unsupported kind, or has a header that can't be read.
pub fn probe(source: &[u8]) -> Result<Header, RenderError> {
    let source = Source::probe(source)?;
    let size = source.upright();
    Ok(Header {
        format: source.format(),
        width: size.width,
        height: size.height,
    })
}

/// Renders one rendition of a source.
///
/// # Errors
/// See [`RenderError`]. Limits are held against the header, before any pixel is decoded.
pub fn render(source: &[u8], rendition: &Rendition, limits: &Limits) -> Result<Rendered, RenderError> {
    let mut all = render_all(source, std::slice::from_ref(rendition), limits)?;
    all.pop().expect("one rendition was asked for")
}

/// Renders several renditions of a source from as few decodes as give each the very bytes that [`render`] gives: a
/// JPEG is decoded once for each scale that the renditions call for, anything else once. The results are in the order
/// of the renditions.
///
/// # Errors
/// What is wrong with the source fails all; what is wrong with one rendition of it fails that one.
pub fn render_all(
    source: &[u8],
    renditions: &[Rendition],
    limits: &Limits,
) -> Result<Vec<Result<Rendered, RenderError>>, RenderError> {
    let source = Source::admit(source, limits)?;
    let drawings = renditions.iter().map(|rendition| drawing(&source, rendition, limits));
    let drawings: Vec<Result<Drawing, RenderError>> = drawings.collect();
    let mut rendered: Vec<Option<Result<Rendered, RenderError>>> = vec![None; drawings.len()];
    let mut colors = None;
    for eighths in 1..=8 {
        // One decode at a time, so that memory is bounded by the largest of them.
        let mut decoded: Option<Picture> = None;
        for (drawing, rendered) in drawings.iter().zip(&mut rendered) {
            let drawing = match drawing {
                Ok(drawing) if scale(&source, drawing) == eighths => drawing,
                Ok(_) => continue,
                Err(error) => {
                    *rendered = Some(Err(error.clone()));
                    continue;
                }
            };
            let picture = match &mut decoded {
                Some(picture) => picture,
                none => none.insert(decode::decode(&source, eighths)?),
            };
            let colors = colors.get_or_insert_with(|| conversion(&source, picture));
            *rendered = Some(drawing.draw(picture, source.orientation, colors.as_ref()));
        }
    }
    Ok(rendered
        .into_iter()
        .map(|rendered| rendered.expect("every drawing has a scale of 1 to 8 eighths"))
        .collect())
}

fn drawing(source: &Source<'_>, rendition: &Rendition, limits: &Limits) -> Result<Drawing, RenderError> {
    let plan = Plan::new(source.upright(), &rendition.steps, limits.pixels)?;
    let format = Format::of_output(&rendition.encode, source.format());
    encode::check_size(plan.output(), format)?;
    Ok(Drawing {
        plan,
        format,
        quality: rendition.encode.quality,
    })
}

/// The scale in eighths at which a source is decoded for a drawing: a function of these two alone.
fn scale(source: &Source<'_>, drawing: &Drawing) -> u32 {
    match (&source.kind, drawing.plan.samples.first()) {
        (Kind::Jpeg { .. }, Some(sample)) => decode::eighths(&source.orientation.stored(sample)),
        _ => 8,
    }
}

/// The conversion of a source's pixels to sRGB. That of CMYK is part of its decoding.
fn conversion(source: &Source<'_>, picture: &Picture) -> Option<Conversion> {
    let grey = matches!(picture, Picture::Packed(raster) if raster.channels < 3);
    Conversion::to_srgb(source.icc.as_deref()?, grey)
}
