//! From a decoded source to one finished rendition: sample, turn upright, colours, background, encode.
use std::borrow::Cow;

use super::color::Conversion;
use super::encode::encode;
use super::ffi::jpeg::ycbcr_to_rgb;
use super::geometry::Plan;
use super::orient::Orientation;
use super::picture::{Picture, Raster};
use super::resize::{Chroma, sample};
use super::{Format, RenderError, Rendered};

/// What is under a transparent picture in a format that has no transparency.
const WHITE: [u8; 3] = [255; 3];

/// What is made of a source for one rendition.
pub(super) struct Drawing {
    pub(super) plan: Plan,
    pub(super) format: Format,
    pub(super) quality: u8,
}

// === impl Drawing ===

impl Drawing {
    /// Makes the rendition of a picture in its stored orientation. `colors` converts its pixels to sRGB.
    pub(super) fn draw(
        &self,
        decoded: &Picture,
        orientation: Orientation,
        colors: Option<&Conversion>,
    ) -> Result<Rendered, RenderError> {
        // A picture that stays in its planes loses nothing to colour arithmetic; libjpeg and libwebp take 4:2:0.
        let planes = colors.is_none() && self.format != Format::Png;
        let mut picture = Cow::Borrowed(decoded);
        for (at, step) in self.plan.samples.iter().enumerate() {
            let last = at + 1 == self.plan.samples.len();
            let chroma = if last && planes { Chroma::Half } else { Chroma::Full };
            picture = Cow::Owned(if at == 0 {
                sample(&picture, &orientation.stored(step), chroma, orientation.stored_flips()).turned(orientation)
            } else {
                sample(&picture, step, chroma, (false, false))
            });
        }
        let mut picture = picture.into_owned();
        if !planes {
            picture = packed(picture)?;
        }
        if let Picture::Packed(raster) = picture {
            picture = Picture::Packed(self.finish(raster, colors));
        }
        let output = self.plan.output();
        let bytes = encode(picture, self.format, self.quality)?;
        Ok(Rendered {
            bytes,
            format: self.format,
            width: output.width,
            height: output.height,
        })
    }

    fn finish(&self, mut raster: Raster, colors: Option<&Conversion>) -> Raster {
        if let Some(colors) = colors {
            raster = colors.apply(raster);
        }
        let white = (self.format == Format::Jpeg).then_some(WHITE);
        match self.plan.background.or(white) {
            Some(color) => raster.over(color),
            None => raster.without_opaque_alpha(),
        }
    }
}

fn packed(picture: Picture) -> Result<Picture, RenderError> {
    let [y, cb, cr] = match picture {
        Picture::YCbCr(planes) => planes,
        packed => return Ok(packed),
    };
    let rgb = ycbcr_to_rgb(y.size.width, y.size.height, [&y.pixels, &cb.pixels, &cr.pixels])
        .map_err(super::decode::jpeg_error)?;
    Ok(Picture::Packed(Raster::new(y.size, 3, rgb)))
}
