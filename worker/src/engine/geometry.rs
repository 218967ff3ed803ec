//! Sizes and rectangles: pure arithmetic that turns a rendition's steps into samplings of the source.
//!
//! Steps that only cut or scale are folded: a crop, a resize and another crop become one [`Sample`], so that pixels
//! are touched once. A second resize starts a sampling of its own.
use collodion_crds::{Crop, Fit, Focus, Gravity, Operation, Resize, Step};

use super::RenderError;

/// Longest side of a picture that a step may make, in pixels.
pub(super) const MAX_SIDE: u32 = 16_384;

/// A width and a height in whole pixels, both at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A rectangle in pixels of an image, edges between pixels allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// One resampling of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Size of the image that is sampled, in whose pixels `region` and `area` are given.
    pub(super) source: Size,
    /// The pixels that may be read. What an earlier crop cut off lies outside and never bleeds into an edge.
    pub(super) region: Rect,
    /// The part that becomes the output; within `region`.
    pub(super) area: Rect,
    /// Size of the output.
    pub(super) output: Size,
}

/// What a rendition does to the pixels of an upright image of a certain size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// At least one sampling; each works on the output of the one before it.
    pub(super) samples: Vec<Sample>,
    /// The colour under what is transparent. Covering a colour and resampling can change places, so it comes last.
    pub(super) background: Option<[u8; 3]>,
}

// === impl Size ===

impl Size {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub(super) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    pub(super) fn swapped(self) -> Self {
        Self {
            width: self.height,
            height: self.width,
        }
    }
}

// === impl Rect ===

impl Rect {
    /// All of an image.
    pub(super) fn all(size: Size) -> Self {
        Self {
            x: 0.0,
            y: 0.0,
            width: f64::from(size.width),
            height: f64::from(size.height),
        }
    }
}

// === impl Sample ===

impl Sample {
    /// The sampling that takes every pixel as it is.
    pub(super) fn identity(size: Size) -> Self {
        Self {
            source: size,
            region: Rect::all(size),
            area: Rect::all(size),
            output: size,
        }
    }

    /// Whether the output's pixels are as large as the source's.
    fn is_unscaled(&self) -> bool {
        self.area.width == f64::from(self.output.width) && self.area.height == f64::from(self.output.height)
    }

    fn resize(mut self, index: usize, resize: &Resize) -> Result<Self, RenderError> {
        let from = self.output;
        let (scaled, output) = fit(index, from, resize)?;
        let left = place(resize.gravity, resize.focus, from, scaled);
        let (x_scale, y_scale) = (
            self.area.width / f64::from(from.width),
            self.area.height / f64::from(from.height),
        );
        self.area = Rect {
            x: self.area.x + left.0 * x_scale,
            y: self.area.y + left.1 * y_scale,
            width: scaled.0 * x_scale,
            height: scaled.1 * y_scale,
        };
        self.output = output;
        Ok(self)
    }

    fn crop(mut self, index: usize, crop: &Crop) -> Result<Self, RenderError> {
        let from = self.output;
        let corner = match (crop.x, crop.y) {
            (Some(x), Some(y)) if x < from.width && y < from.height => (x, y),
            (Some(x), Some(y)) => {
                let detail = format!(
                    "the crop starts at {x}, {y}, outside the {} × {} pixels of the image",
                    from.width, from.height
                );
                return Err(RenderError::InvalidStep { index, detail });
            }
            _ => {
                let size = (
                    f64::from(crop.width.min(from.width)),
                    f64::from(crop.height.min(from.height)),
                );
                let (x, y) = place(crop.gravity, crop.focus, from, size);
                (x.floor() as u32, y.floor() as u32)
            }
        };
        let output = Size::new(
            crop.width.min(from.width - corner.0),
            crop.height.min(from.height - corner.1),
        );
        if output.width == 0 || output.height == 0 {
            return Err(RenderError::InvalidStep {
                index,
                detail: "the crop has no pixels".to_owned(),
            });
        }
        let unscaled = self.is_unscaled();
        let (x_scale, y_scale) = (
            self.area.width / f64::from(from.width),
            self.area.height / f64::from(from.height),
        );
        self.area = Rect {
            x: self.area.x + f64::from(corner.0) * x_scale,
            y: self.area.y + f64::from(corner.1) * y_scale,
            width: f64::from(output.width) * x_scale,
            height: f64::from(output.height) * y_scale,
        };
        if unscaled {
            self.region = self.area;
        }
        self.output = output;
        Ok(self)
    }
}

// === impl Plan ===

impl Plan {
    /// Folds steps into samplings of an upright image of `size`. `pixels` bounds every picture on the way.
    pub(super) fn new(size: Size, steps: &[Step], pixels: u64) -> Result<Self, RenderError> {
        let mut plan = Self {
            samples: vec![],
            background: None,
        };
        let mut current = Sample::identity(size);
        for (index, step) in steps.iter().enumerate() {
            match step.operation() {
                Some(Operation::Resize(resize)) => {
                    if !current.is_unscaled() {
                        let next = Sample::identity(current.output);
                        plan.samples.push(std::mem::replace(&mut current, next));
                    }
                    current = current.resize(index, resize)?;
                    bound(current.output, pixels)?;
                }
                Some(Operation::Crop(crop)) => current = current.crop(index, crop)?,
                Some(Operation::Background(background)) => {
                    let color = background.rgb().ok_or_else(|| RenderError::InvalidStep {
                        index,
                        detail: format!("{:?} is no colour: write it as #rrggbb", background.color),
                    })?;
                    // Over an opaque picture a second colour shows nowhere.
                    plan.background.get_or_insert(color);
                }
                None => {
                    let detail = "it holds none or several of resize, crop and background".to_owned();
                    return Err(RenderError::InvalidStep { index, detail });
                }
            }
        }
        bound(current.output, pixels)?;
        plan.samples.push(current);
        Ok(plan)
    }

    /// Size of the finished picture.
    pub(super) fn output(&self) -> Size {
        self.samples
            .last()
            .map(|sample| sample.output)
            .expect("a plan has at least one sampling")
    }
}

/// Checks a picture's size against what steps may make.
fn bound(size: Size, pixels: u64) -> Result<(), RenderError> {
    let bound = if size.width.max(size.height) > MAX_SIDE {
        format!("the {MAX_SIDE} that a side may have")
    } else if size.pixels() > pixels {
        format!("the {pixels} that limits.pixels allows")
    } else {
        return Ok(());
    };
    Err(RenderError::OutputTooLarge {
        width: size.width.into(),
        height: size.height.into(),
        bound,
    })
}

/// The part of an image of size `from` that a resize keeps (width and height), and the output's size.
fn fit(index: usize, from: Size, resize: &Resize) -> Result<((f64, f64), Size), RenderError> {
    let (width, height) = (f64::from(from.width), f64::from(from.height));
    let all = (width, height);
    let invalid = |detail: &str| RenderError::InvalidStep {
        index,
        detail: detail.to_owned(),
    };
    let scales = (
        resize.width.map(|w| f64::from(w) / width),
        resize.height.map(|h| f64::from(h) / height),
    );
    if resize.width == Some(0) || resize.height == Some(0) {
        return Err(invalid("a width or height of 0 leaves no pixels"));
    }
    match (resize.fit, resize.width, resize.height) {
        (_, None, None) => Err(invalid("a resize needs a width, a height or both")),
        (Fit::Contain | Fit::Inside, ..) => {
            let scale = scales.0.unwrap_or(f64::INFINITY).min(scales.1.unwrap_or(f64::INFINITY));
            let scale = if resize.fit == Fit::Inside {
                scale.min(1.0)
            } else {
                scale
            };
            let side = |length: f64| (length * scale).round().clamp(1.0, f64::from(u32::MAX)) as u32;
            Ok((all, Size::new(side(width), side(height))))
        }
        (Fit::Fill, Some(w), Some(h)) => Ok((all, Size::new(w, h))),
        (Fit::Cover, Some(w), Some(h)) => {
            let scale = (f64::from(w) / width).max(f64::from(h) / height);
            let kept = ((f64::from(w) / scale).min(width), (f64::from(h) / scale).min(height));
            Ok((kept, Size::new(w, h)))
        }
        (Fit::Fill | Fit::Cover, ..) => Err(invalid("fit cover and fill need both a width and a height")),
    }
}

/// Left upper corner of a part of `size` (width, height) of an image, placed by gravity or focus, within the image.
fn place(gravity: Option<Gravity>, focus: Option<Focus>, image: Size, size: (f64, f64)) -> (f64, f64) {
    let free = (f64::from(image.width) - size.0, f64::from(image.height) - size.1);
    if let Some(Focus { x, y }) = focus {
        let side = |share: f64, whole: u32, part: f64, free: f64| {
            (share * f64::from(whole) - part / 2.0).clamp(0.0, free.max(0.0))
        };
        return (
            side(x, image.width, size.0, free.0),
            side(y, image.height, size.1, free.1),
        );
    }
    use Gravity::*;
    let x = match gravity.unwrap_or_default() {
        NorthWest | West | SouthWest => 0.0,
        North | Center | South => 0.5,
        NorthEast | East | SouthEast => 1.0,
    };
    let y = match gravity.unwrap_or_default() {
        NorthWest | North | NorthEast => 0.0,
        West | Center | East => 0.5,
        SouthWest | South | SouthEast => 1.0,
    };
    (x * free.0, y * free.1)
}

#[cfg(test)]
#[path = "geometry_tests.rs"]
mod tests;
