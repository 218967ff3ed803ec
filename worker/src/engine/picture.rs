//! Pictures in memory: packed pixels, or the three planes that a JPEG consists of.
use super::geometry::Size;
use super::orient::Orientation;

/// A rectangle of pixels of 1 (grey), 2 (grey and alpha), 3 (red, green, blue) or 4 (and alpha) bytes, sRGB, alpha
/// not multiplied in. Also one plane of a picture in YCbCr.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raster {
    pub(super) size: Size,
    pub(super) channels: u8,
    pub(super) pixels: Vec<u8>,
    /// Width and height of what shows the picture, from the left upper corner, in pixels. Less than `size` where a
    /// decoder rounds up: with subsampled chroma and in scaled decodes.
    pub(super) content: (f64, f64),
}

/// A picture.
#[derive(Clone, Debug)]
pub(super) enum Picture {
    /// Grey or RGB pixels, with or without alpha.
    Packed(Raster),
    /// Luma and two chroma planes, full range (JFIF), each chroma plane of luma's size or smaller.
    YCbCr([Raster; 3]),
}

// === impl Raster ===

impl Raster {
    /// A raster all of which shows the picture. `pixels` holds `channels` bytes for each pixel.
    pub(super) fn new(size: Size, channels: u8, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(size.pixels() * u64::from(channels), pixels.len() as u64);
        let content = (f64::from(size.width), f64::from(size.height));
        Self {
            size,
            channels,
            pixels,
            content,
        }
    }

    pub(super) fn has_alpha(&self) -> bool {
        matches!(self.channels, 2 | 4)
    }

    /// Drops an alpha channel that hides nothing.
    pub(super) fn without_opaque_alpha(self) -> Self {
        let opaque = match self.channels {
            2 => self.pixels.as_chunks::<2>().0.iter().all(|pixel| pixel[1] == 255),
            4 => self.pixels.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255),
            _ => false,
        };
        if opaque { self.drop_alpha() } else { self }
    }

    fn drop_alpha(self) -> Self {
        let Self {
            size,
            channels,
            pixels,
            content,
        } = self;
        let kept = if channels == 2 {
            pixels.as_chunks::<2>().0.iter().map(|pixel| pixel[0]).collect()
        } else {
            pixels
                .as_chunks::<4>()
                .0
                .iter()
                .flat_map(|[red, green, blue, _]| [*red, *green, *blue])
                .collect()
        };
        Self {
            size,
            channels: channels - 1,
            pixels: kept,
            content,
        }
    }

    /// Grey pixels as RGB; others as they are.
    pub(super) fn into_rgb(self) -> Self {
        let Self {
            size,
            channels,
            pixels,
            content,
        } = self;
        let (channels, pixels) = match channels {
            1 => (3, pixels.iter().flat_map(|grey| [*grey; 3]).collect()),
            2 => (
                4,
                pixels
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .flat_map(|[grey, alpha]| [*grey, *grey, *grey, *alpha])
                    .collect(),
            ),
            _ => (channels, pixels),
        };
        Self {
            size,
            channels,
            pixels,
            content,
        }
    }

    /// Lays the picture over a colour, if it has an alpha channel. Grey stays grey over grey.
    pub(super) fn over(self, color: [u8; 3]) -> Self {
        let [red, green, blue] = color;
        if !self.has_alpha() {
            return self;
        }
        if self.channels == 2 && !(red == green && green == blue) {
            return self.into_rgb().over(color);
        }
        let mut picture = self;
        if picture.channels == 2 {
            for [grey, alpha] in picture.pixels.as_chunks_mut::<2>().0 {
                *grey = mix(*grey, red, *alpha);
            }
        } else {
            for [r, g, b, alpha] in picture.pixels.as_chunks_mut::<4>().0 {
                (*r, *g, *b) = (mix(*r, red, *alpha), mix(*g, green, *alpha), mix(*b, blue, *alpha));
            }
        }
        picture.drop_alpha()
    }

    /// Turns a stored picture upright.
    pub(super) fn turned(self, orientation: Orientation) -> Self {
        if orientation.is_upright() {
            return self;
        }
        let Self {
            size, channels, pixels, ..
        } = self;
        let pixels = match channels {
            1 => orientation.turn::<1>(&pixels, size),
            2 => orientation.turn::<2>(&pixels, size),
            3 => orientation.turn::<3>(&pixels, size),
            _ => orientation.turn::<4>(&pixels, size),
        };
        Self::new(orientation.turned(size), channels, pixels)
    }
}

// === impl Picture ===

impl Picture {
    /// Turns a stored picture upright.
    pub(super) fn turned(self, orientation: Orientation) -> Self {
        match self {
            Self::Packed(raster) => Self::Packed(raster.turned(orientation)),
            Self::YCbCr(planes) => Self::YCbCr(planes.map(|plane| plane.turned(orientation))),
        }
    }
}

/// `over` laid on `under` with an opacity of `alpha` / 255.
fn mix(over: u8, under: u8, alpha: u8) -> u8 {
    let alpha = u32::from(alpha);
    ((u32::from(over) * alpha + u32::from(under) * (255 - alpha) + 127) / 255) as u8
}
