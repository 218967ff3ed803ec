//! Why an image can't be rendered: one variant a cause, so that reports and metrics can count them.
use super::Format;

/// Why an image can't be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The bytes are of no image format that is known by its signature.
    #[error("the file is not an image: its first bytes are of no known image format")]
    NotAnImage,
    /// The bytes are an image, of a kind that the engine doesn't read.
    #[error("{kind} images can't be read: give a JPEG, PNG or WebP")]
    UnsupportedFormat {
        /// Name of the format or of its variant.
        kind: &'static str,
    },
    /// The image has more than one frame.
    #[error("the {} is animated: only still images can be rendered", .format.name())]
    UnsupportedAnimation {
        /// The format, found by content.
        format: Format,
    },
    /// The file ends before the image does.
    #[error("the {} ends early: {detail}", .format.name())]
    Truncated {
        /// The format, found by content.
        format: Format,
        /// What the decoder says.
        detail: String,
    },
    /// The file breaks the rules of its format.
    #[error("the {} can't be decoded: {detail}", .format.name())]
    Undecodable {
        /// The format, found by content.
        format: Format,
        /// What the decoder says.
        detail: String,
    },
    /// The header promises more pixels than the limits allow.
    #[error("the image has {width} × {height} pixels, more than the {limit} allowed: raise limits.pixels")]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Pixels (width × height) allowed.
        limit: u64,
    },
    /// The file is larger than the limits allow.
    #[error("the file has {bytes} bytes, more than the {limit} allowed: raise limits.bytes")]
    TooManyBytes {
        /// Size of the file in bytes.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A step or the encoding would make a picture that is larger than what is allowed or can be written.
    #[error("the rendition would have {width} × {height} pixels, more than {bound}: ask for a smaller size")]
    OutputTooLarge {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// The bound that it breaks.
        bound: String,
    },
    /// A step asks for something impossible.
    #[error("step {index} can't be done: {detail}")]
    InvalidStep {
        /// Place of the step in the rendition, from 0.
        index: usize,
        /// What is wrong, and with what.
        detail: String,
    },
    /// The finished picture can't be encoded.
    #[error("the picture can't be encoded as {}: {detail}", .format.name())]
    Encode {
        /// The output format.
        format: Format,
        /// What the encoder says.
        detail: String,
    },
}

// === impl RenderError ===

impl RenderError {
    /// The cause in CamelCase, as failure rows and metrics name it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotAnImage => "NotAnImage",
            Self::UnsupportedFormat { .. } => "UnsupportedFormat",
            Self::UnsupportedAnimation { .. } => "UnsupportedAnimation",
            Self::Truncated { .. } => "Truncated",
            Self::Undecodable { .. } => "Undecodable",
            Self::TooManyPixels { .. } => "TooManyPixels",
            Self::TooManyBytes { .. } => "TooManyBytes",
            Self::OutputTooLarge { .. } => "OutputTooLarge",
            Self::InvalidStep { .. } => "InvalidStep",
            Self::Encode { .. } => "EncodeFailed",
        }
    }
}
