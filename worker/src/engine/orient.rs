//! Orientation: the eight ways in which a camera may have stored its picture.
use super::geometry::{Rect, Sample, Size};

/// How a stored picture has to be turned to be upright, as EXIF's Orientation tag (274) numbers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orientation {
    /// Rows and columns change places; done before the flips.
    transpose: bool,
    /// Left and right change places.
    flip_x: bool,
    /// Top and bottom change places.
    flip_y: bool,
}

// === impl Orientation ===

impl Orientation {
    /// The orientation of an EXIF value; upright for what is not 1 to 8.
    pub(super) fn from_exif(value: u32) -> Self {
        let (transpose, flip_x, flip_y) = match value {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self {
            transpose,
            flip_x,
            flip_y,
        }
    }

    pub(super) fn is_upright(self) -> bool {
        self == Self::default()
    }

    /// The size of an upright picture's stored form, and the other way round.
    pub(super) fn turned(self, size: Size) -> Size {
        if self.transpose { size.swapped() } else { size }
    }

    /// Whether the (left, upper) edge of the stored picture is a (right, lower) edge of the upright one.
    pub(super) fn stored_flips(self) -> (bool, bool) {
        if self.transpose {
            (self.flip_y, self.flip_x)
        } else {
            (self.flip_x, self.flip_y)
        }
    }

    /// The sampling of the stored picture that gives, once turned, what `sample` gives of the upright one.
    pub(super) fn stored(self, sample: &Sample) -> Sample {
        Sample {
            source: self.turned(sample.source),
            region: self.stored_rect(sample.region, sample.source),
            area: self.stored_rect(sample.area, sample.source),
            output: self.turned(sample.output),
        }
    }

    fn stored_rect(self, rect: Rect, upright: Size) -> Rect {
        let x = if self.flip_x {
            f64::from(upright.width) - rect.x - rect.width
        } else {
            rect.x
        };
        let y = if self.flip_y {
            f64::from(upright.height) - rect.y - rect.height
        } else {
            rect.y
        };
        if self.transpose {
            Rect {
                x: y,
                y: x,
                width: rect.height,
                height: rect.width,
            }
        } else {
            Rect { x, y, ..rect }
        }
    }

    /// Turns stored pixels of `N` bytes each upright.
    pub(super) fn turn<const N: usize>(self, pixels: &[u8], stored: Size) -> Vec<u8> {
        let (source, _) = pixels.as_chunks::<N>();
        let upright = self.turned(stored);
        let (width, height) = (upright.width as usize, upright.height as usize);
        let mut turned = Vec::with_capacity(pixels.len());
        for y in 0..height {
            let y = if self.flip_y { height - 1 - y } else { y };
            for x in 0..width {
                let x = if self.flip_x { width - 1 - x } else { x };
                let at = if self.transpose { x * height + y } else { y * width + x };
                turned.extend_from_slice(&source[at]);
            }
        }
        turned
    }
}
