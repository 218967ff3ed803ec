//! libwebp's decoder and encoder.
#![allow(unsafe_code, reason = "calls into libwebp")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use libwebp_sys as raw;

/// Effort of the encoder, 0 to 6: libwebp's own default.
const METHOD: c_int = 4;

/// What a file's header says.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct WebpHeader {
    pub(in crate::engine) width: u32,
    pub(in crate::engine) height: u32,
    pub(in crate::engine) alpha: bool,
    pub(in crate::engine) animated: bool,
}

/// Why libwebp gave up on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Fault {
    /// The file ends before the image does.
    Truncated,
    /// The file is no valid WebP; the name is libwebp's.
    Invalid(&'static str),
}

/// Reads a file's header.
pub(in crate::engine) fn header(webp: &[u8]) -> Result<WebpHeader, Fault> {
    let mut features = MaybeUninit::<raw::WebPBitstreamFeatures>::zeroed();
    // SAFETY: the pointer and length are those of one slice, and the library only writes plain numbers to `features`.
    let (status, features) = unsafe {
        let status = raw::WebPGetFeatures(webp.as_ptr(), webp.len(), features.as_mut_ptr());
        (status, features.assume_init())
    };
    check(status)?;
    let side = |side: c_int| {
        u32::try_from(side)
            .ok()
            .filter(|side| *side > 0)
            .ok_or(Fault::Invalid("no size"))
    };
    Ok(WebpHeader {
        width: side(features.width)?,
        height: side(features.height)?,
        alpha: features.has_alpha != 0,
        animated: features.has_animation != 0,
    })
}

/// Decodes a still image to RGBA pixels if it has alpha, else RGB. `header` is the file's own.
pub(in crate::engine) fn decode(webp: &[u8], header: WebpHeader) -> Result<Vec<u8>, Fault> {
    let channels = if header.alpha { 4 } else { 3 };
    let stride = header.width as usize * channels;
    let mut pixels = vec![0; stride * header.height as usize];
    let mut config = raw::WebPDecoderConfig::new().map_err(|()| Fault::Invalid("another version of libwebp"))?;
    config.output.colorspace = if header.alpha {
        raw::WEBP_CSP_MODE::MODE_RGBA
    } else {
        raw::WEBP_CSP_MODE::MODE_RGB
    };
    config.output.is_external_memory = 1;
    config.output.u.RGBA = raw::WebPRGBABuffer {
        rgba: pixels.as_mut_ptr(),
        stride: stride as c_int,
        size: pixels.len(),
    };
    // SAFETY: the library writes within the stride and size given, which are the buffer's, and fails where the image
    // doesn't fit them. With external memory the config owns nothing that needs freeing.
    check(unsafe { raw::WebPDecode(webp.as_ptr(), webp.len(), &mut config) })?;
    Ok(pixels)
}

/// A picture to encode.
pub(in crate::engine) enum Source<'a> {
    /// Three bytes a pixel.
    Rgb(&'a [u8]),
    /// Four bytes a pixel, alpha not multiplied in.
    Rgba(&'a [u8]),
    /// Luma and chroma at 4:2:0, studio range (16 to 235 and 240), rows without gaps. The chroma planes have half of
    /// luma's size, rounded up.
    Planes([&'a mut [u8]; 3]),
}

/// Encodes a picture as a lossy WebP. `quality` is 1 to 100.
pub(in crate::engine) fn encode(width: u32, height: u32, source: Source<'_>, quality: u8) -> Result<Vec<u8>, String> {
    let (columns, rows) = (width as usize, height as usize);
    let chroma = columns.div_ceil(2) * rows.div_ceil(2);
    let fits = match &source {
        Source::Rgb(pixels) => pixels.len() >= columns * rows * 3,
        Source::Rgba(pixels) => pixels.len() >= columns * rows * 4,
        Source::Planes([y, u, v]) => y.len() >= columns * rows && u.len() >= chroma && v.len() >= chroma,
    };
    if !fits {
        return Err("there are fewer pixels than the size says".to_owned());
    }
    let version = |()| "another version of libwebp".to_owned();
    let mut config =
        raw::WebPConfig::new_with_preset(raw::WebPPreset::WEBP_PRESET_DEFAULT, f32::from(quality)).map_err(version)?;
    config.method = METHOD;
    config.thread_level = 0;
    let mut encoder = Encoder::new(raw::WebPPicture::new().map_err(version)?);
    encoder.picture.use_argb = 0;
    encoder.picture.width = width as c_int;
    encoder.picture.height = height as c_int;
    // SAFETY: the pixels were just checked to be as many as the size says. Planes that are set from outside stay the
    // caller's and outlive the call; planes made by an import are freed with the picture.
    let imported = unsafe {
        match source {
            Source::Rgb(pixels) => {
                raw::WebPPictureImportRGB(&mut encoder.picture, pixels.as_ptr(), columns as c_int * 3)
            }
            Source::Rgba(pixels) => {
                raw::WebPPictureImportRGBA(&mut encoder.picture, pixels.as_ptr(), columns as c_int * 4)
            }
            Source::Planes([y, u, v]) => {
                encoder.picture.colorspace = raw::WebPEncCSP::WEBP_YUV420;
                encoder.picture.y = y.as_mut_ptr();
                encoder.picture.u = u.as_mut_ptr();
                encoder.picture.v = v.as_mut_ptr();
                encoder.picture.y_stride = columns as c_int;
                encoder.picture.uv_stride = columns.div_ceil(2) as c_int;
                1
            }
        }
    };
    if imported == 0 {
        return Err(format!("{:?}", encoder.picture.error_code));
    }
    encoder.run(&config)
}

/// A picture and the memory that its bytes go to, both freed at the end.
struct Encoder {
    picture: raw::WebPPicture,
    writer: raw::WebPMemoryWriter,
}

// === impl Encoder ===

impl Encoder {
    fn new(picture: raw::WebPPicture) -> Self {
        let mut writer = MaybeUninit::<raw::WebPMemoryWriter>::zeroed();
        // SAFETY: the call sets every field of the writer.
        let writer = unsafe {
            raw::WebPMemoryWriterInit(writer.as_mut_ptr());
            writer.assume_init()
        };
        Self { picture, writer }
    }

    fn run(&mut self, config: &raw::WebPConfig) -> Result<Vec<u8>, String> {
        self.picture.writer = Some(raw::WebPMemoryWrite);
        self.picture.custom_ptr = (&raw mut self.writer).cast();
        // SAFETY: config and picture are initialised, and the writer lives as long as the picture.
        if unsafe { raw::WebPEncode(config, &mut self.picture) } == 0 {
            return Err(format!("{:?}", self.picture.error_code));
        }
        if self.writer.mem.is_null() {
            return Err("libwebp gave no bytes".to_owned());
        }
        // SAFETY: the writer holds `size` bytes at `mem`.
        Ok(unsafe { std::slice::from_raw_parts(self.writer.mem, self.writer.size) }.to_vec())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: both are initialised and freed once; what came from outside is none of theirs.
        unsafe {
            raw::WebPMemoryWriterClear(&mut self.writer);
            raw::WebPPictureFree(&mut self.picture);
        }
    }
}

fn check(status: raw::VP8StatusCode) -> Result<(), Fault> {
    use raw::VP8StatusCode::*;
    match status {
        VP8_STATUS_OK => Ok(()),
        VP8_STATUS_NOT_ENOUGH_DATA | VP8_STATUS_SUSPENDED => Err(Fault::Truncated),
        VP8_STATUS_OUT_OF_MEMORY => Err(Fault::Invalid("out of memory")),
        VP8_STATUS_INVALID_PARAM => Err(Fault::Invalid("invalid parameter")),
        VP8_STATUS_BITSTREAM_ERROR => Err(Fault::Invalid("bitstream error")),
        VP8_STATUS_UNSUPPORTED_FEATURE => Err(Fault::Invalid("unsupported feature")),
        VP8_STATUS_USER_ABORT => Err(Fault::Invalid("aborted")),
    }
}
