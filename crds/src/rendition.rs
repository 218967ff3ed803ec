//! Renditions: named recipes of steps on pixels and one encoding, shared by everything that makes pictures.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A named recipe: what is done to the pixels, in order, and how the result is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// Name of the rendition, as it appears in output keys and reports: lower-case letters, digits and dashes.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What is done to the pixels, in this order, after the image has been turned upright.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub steps: Vec<Step>,
    /// How the result is encoded.
    #[serde(default)]
    pub encode: Encode,
}

/// One operation on pixels. A step holds exactly one of the operations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.resize), has(self.crop), has(self.background)].filter(x, x).size() == 1")
    .message("a step holds exactly one operation: write each of resize, crop, background as a list item of its own"))]
pub struct Step {
    /// Changes the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    /// Cuts out a rectangle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Fills what is transparent with a colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
}

/// The one operation of a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation<'a> {
    /// Changes the size.
    Resize(&'a Resize),
    /// Cuts out a rectangle.
    Crop(&'a Crop),
    /// Fills what is transparent with a colour.
    Background(&'a Background),
}

/// Changes the size to a box of `width` × `height` pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.width) || has(self.height)").message("give a width, a height or both"))]
#[x_kube(validation = Rule::new("!(self.fit in ['cover', 'fill']) || (has(self.width) && has(self.height))").message("fit cover and fill need both a width and a height"))]
#[x_kube(validation = Rule::new("!has(self.focus) || !has(self.gravity)").message("give a gravity or a focus, not both"))]
#[x_kube(validation = Rule::new("self.fit == 'cover' || !(has(self.focus) || has(self.gravity))").message("gravity and focus say what cover keeps: set fit: cover or leave them out"))]
pub struct Resize {
    /// Width of the box in pixels. Follows from the height when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16384))]
    pub width: Option<u32>,
    /// Height of the box in pixels. Follows from the width when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16384))]
    pub height: Option<u32>,
    /// How the image is brought into the box.
    #[serde(default)]
    pub fit: Fit,
    /// The part that `cover` keeps. The centre when neither gravity nor focus is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gravity: Option<Gravity>,
    /// The point that `cover` keeps as near to the middle as it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<Focus>,
}

/// How an image is brought into a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// The largest size that fits in the box, proportions kept; small images are enlarged.
    #[default]
    Contain,
    /// Fills the box, proportions kept; what reaches over the edges is cut off.
    Cover,
    /// Exactly the box, proportions not kept.
    Fill,
    /// As contain, but never enlarges.
    Inside,
}

/// The side or corner of an image that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// The middle.
    #[default]
    Center,
    /// The upper edge.
    North,
    /// The upper right corner.
    NorthEast,
    /// The right edge.
    East,
    /// The lower right corner.
    SouthEast,
    /// The lower edge.
    South,
    /// The lower left corner.
    SouthWest,
    /// The left edge.
    West,
    /// The upper left corner.
    NorthWest,
}

/// A point in an image, as shares of its width and height.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Focus {
    /// From the left edge (0) to the right (1).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub x: f64,
    /// From the upper edge (0) to the lower (1).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub y: f64,
}

/// Cuts out a rectangle of `width` × `height` pixels. What would reach over the image's edges is left out, so a
/// crop never enlarges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.x) == has(self.y)").message("give x and y together: the crop's left upper corner in pixels"))]
#[x_kube(validation = Rule::new("[has(self.x), has(self.gravity), has(self.focus)].filter(x, x).size() <= 1").message("place a crop by one of x and y, gravity, or focus"))]
pub struct Crop {
    /// Width in pixels.
    #[schemars(range(min = 1, max = 65535))]
    pub width: u32,
    /// Height in pixels.
    #[schemars(range(min = 1, max = 65535))]
    pub height: u32,
    /// Left edge in pixels from the image's left edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub x: Option<u32>,
    /// Upper edge in pixels from the image's upper edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub y: Option<u32>,
    /// The side or corner that is kept. The centre when nothing else places the crop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gravity: Option<Gravity>,
    /// The point that is kept as near to the crop's middle as it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<Focus>,
}

/// Fills what is transparent with a colour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Background {
    /// The colour as `#rrggbb`.
    #[schemars(length(max = 7), regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub color: String,
}

/// How the result is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Encode {
    /// The format. `auto` is the source's own.
    #[serde(default)]
    pub format: EncodeFormat,
    /// Quality from 1 (smallest) to 100 (best) of a lossy encoding, on the codec's own scale. PNG is lossless and
    /// has none. JPEG has no transparency: what is transparent becomes white unless a background step says otherwise.
    #[serde(default = "Encode::default_quality")]
    #[schemars(range(min = 1, max = 100))]
    pub quality: u8,
}

/// An output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodeFormat {
    /// The source's own format.
    #[default]
    Auto,
    /// JPEG, baseline, 4:2:0.
    Jpeg,
    /// PNG, lossless.
    Png,
    /// WebP, lossy.
    Webp,
}

// === impl Step ===

impl Step {
    /// The step's operation; none where a step that broke the rule of exactly one got past validation.
    pub fn operation(&self) -> Option<Operation<'_>> {
        let Self {
            resize,
            crop,
            background,
        } = self;
        match (resize, crop, background) {
            (Some(resize), None, None) => Some(Operation::Resize(resize)),
            (None, Some(crop), None) => Some(Operation::Crop(crop)),
            (None, None, Some(background)) => Some(Operation::Background(background)),
            _ => None,
        }
    }
}

// === impl Background ===

impl Background {
    /// The colour as red, green and blue; none where it is ill-formed.
    pub fn rgb(&self) -> Option<[u8; 3]> {
        let digits = self.color.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii())?;
        let channel = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).ok();
        Some([channel(0)?, channel(2)?, channel(4)?])
    }
}

// === impl Encode ===

impl Encode {
    fn default_quality() -> u8 {
        80
    }
}

impl Default for Encode {
    fn default() -> Self {
        Self {
            format: EncodeFormat::default(),
            quality: Self::default_quality(),
        }
    }
}
