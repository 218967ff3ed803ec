//! libjpeg-turbo through the TurboJPEG 3 API.
#![allow(unsafe_code, reason = "calls into libjpeg-turbo")]

use std::ffi::{CStr, c_int};
use std::ptr;

use turbojpeg::raw;

/// Most scans of a progressive file: past that it is made to cost time, not to show a picture.
const MAX_SCANS: c_int = 100;

/// What libjpeg-turbo says about a call that failed.
#[derive(Debug)]
pub(in crate::engine) struct Fault {
    /// Whether decoding could have gone on (libjpeg's "warning").
    pub(in crate::engine) warning: bool,
    pub(in crate::engine) message: String,
}

/// The colours that a file stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Colors {
    Grey,
    YCbCr,
    Rgb,
    /// CMYK or YCCK.
    Cmyk,
}

/// What a file's header says.
#[derive(Clone, Debug)]
pub(in crate::engine) struct JpegHeader {
    pub(in crate::engine) width: u32,
    pub(in crate::engine) height: u32,
    pub(in crate::engine) colors: Colors,
    /// How many luma samples lie on a chroma sample, across and down; none where the planes can't be had.
    pub(in crate::engine) subsampling: Option<(u32, u32)>,
    /// Bits of a sample; only 8 can be decoded here.
    pub(in crate::engine) precision: u32,
    pub(in crate::engine) lossless: bool,
    pub(in crate::engine) icc: Option<Vec<u8>>,
    subsamp: c_int,
}

/// One plane of samples, its rows `width` bytes apart.
pub(in crate::engine) struct Plane {
    pub(in crate::engine) width: u32,
    pub(in crate::engine) height: u32,
    pub(in crate::engine) samples: Vec<u8>,
}

/// The layouts of packed pixels that can be decoded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Packing {
    Rgb,
    /// Four bytes a pixel, as stored: 0 is full ink in files by Adobe.
    Cmyk,
}

/// Whether a decode stops at the first irregularity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Strictness {
    StopOnWarning,
    PassWarnings,
}

struct Handle(raw::tjhandle);

/// Reads a file's header.
pub(in crate::engine) fn header(jpeg: &[u8]) -> Result<JpegHeader, Fault> {
    let handle = Handle::new(raw::TJINIT_TJINIT_DECOMPRESS)?;
    handle.read_header(jpeg)?;
    let subsamp = handle.get(raw::TJPARAM_TJPARAM_SUBSAMP);
    let space = handle.get(raw::TJPARAM_TJPARAM_COLORSPACE);
    let colors = match space as raw::TJCS {
        raw::TJCS_TJCS_GRAY => Colors::Grey,
        raw::TJCS_TJCS_YCbCr => Colors::YCbCr,
        raw::TJCS_TJCS_RGB => Colors::Rgb,
        raw::TJCS_TJCS_CMYK | raw::TJCS_TJCS_YCCK => Colors::Cmyk,
        _ => return Err(Fault::new(format!("its colour space {space} is unknown"))),
    };
    let subsampling = match (colors, subsamp) {
        (Colors::Grey, raw::TJSAMP_TJSAMP_GRAY) | (Colors::YCbCr, raw::TJSAMP_TJSAMP_444) => Some((1, 1)),
        (Colors::YCbCr, raw::TJSAMP_TJSAMP_422) => Some((2, 1)),
        (Colors::YCbCr, raw::TJSAMP_TJSAMP_420) => Some((2, 2)),
        (Colors::YCbCr, raw::TJSAMP_TJSAMP_440) => Some((1, 2)),
        (Colors::YCbCr, raw::TJSAMP_TJSAMP_411) => Some((4, 1)),
        (Colors::YCbCr, raw::TJSAMP_TJSAMP_441) => Some((1, 4)),
        _ => None,
    };
    Ok(JpegHeader {
        width: handle.get_unsigned(raw::TJPARAM_TJPARAM_JPEGWIDTH)?,
        height: handle.get_unsigned(raw::TJPARAM_TJPARAM_JPEGHEIGHT)?,
        colors,
        subsampling,
        precision: handle.get_unsigned(raw::TJPARAM_TJPARAM_PRECISION)?,
        lossless: handle.get(raw::TJPARAM_TJPARAM_LOSSLESS) == 1,
        icc: handle.icc_profile(),
        subsamp,
    })
}

/// Decodes a file to its planes, one for grey and three otherwise, scaled by `eighths` / 8 (1 to 8). Planes may be
/// padded on the right and at the bottom. `header` has to be the file's own, with a subsampling.
pub(in crate::engine) fn decode_planes(
    jpeg: &[u8],
    header: &JpegHeader,
    eighths: u32,
    strictness: Strictness,
) -> Result<Vec<Plane>, Fault> {
    let handle = Handle::for_decoding(jpeg, header, eighths, strictness)?;
    let (width, height) = (scaled(header.width, eighths), scaled(header.height, eighths));
    let count = if header.colors == Colors::Grey { 1 } else { 3 };
    let mut planes = Vec::with_capacity(count);
    for component in 0..count as c_int {
        // SAFETY: both are pure arithmetic on their arguments and answer 0 for invalid ones.
        let (width, height) = unsafe {
            (
                raw::tj3YUVPlaneWidth(component, width as c_int, header.subsamp),
                raw::tj3YUVPlaneHeight(component, height as c_int, header.subsamp),
            )
        };
        if width <= 0 || height <= 0 {
            return Err(Fault::new("its planes have no size".to_owned()));
        }
        let (width, height) = (width as u32, height as u32);
        planes.push(Plane {
            width,
            height,
            samples: vec![0; width as usize * height as usize],
        });
    }
    let mut pointers = [ptr::null_mut(); 3];
    let mut strides = [0; 3];
    for (at, plane) in planes.iter_mut().enumerate() {
        pointers[at] = plane.samples.as_mut_ptr();
        strides[at] = plane.width as c_int;
    }
    // SAFETY: `for_decoding` has made sure that the library sees the sizes and subsampling from which the planes'
    // sizes were computed by the library itself, so each plane holds stride × height bytes as it demands.
    let status = unsafe {
        raw::tj3DecompressToYUVPlanes8(
            handle.0,
            jpeg.as_ptr(),
            jpeg.len() as raw::size_t,
            pointers.as_mut_ptr(),
            strides.as_mut_ptr(),
        )
    };
    handle.check_decode(status, strictness)?;
    Ok(planes)
}

/// Decodes a file to packed pixels, scaled by `eighths` / 8 (1 to 8).
pub(in crate::engine) fn decode_packed(
    jpeg: &[u8],
    header: &JpegHeader,
    eighths: u32,
    packing: Packing,
    strictness: Strictness,
) -> Result<Plane, Fault> {
    let handle = Handle::for_decoding(jpeg, header, eighths, strictness)?;
    let (width, height) = (scaled(header.width, eighths), scaled(header.height, eighths));
    let (format, channels) = match packing {
        Packing::Rgb => (raw::TJPF_TJPF_RGB, 3),
        Packing::Cmyk => (raw::TJPF_TJPF_CMYK, 4),
    };
    let pitch = width as usize * channels;
    let mut samples = vec![0; pitch * height as usize];
    // SAFETY: the buffer holds pitch × height bytes for the scaled size that `for_decoding` has made sure of.
    let status = unsafe {
        raw::tj3Decompress8(
            handle.0,
            jpeg.as_ptr(),
            jpeg.len() as raw::size_t,
            samples.as_mut_ptr(),
            pitch as c_int,
            format,
        )
    };
    handle.check_decode(status, strictness)?;
    Ok(Plane { width, height, samples })
}

/// Encodes planes as a baseline JPEG: one plane as grey, three as 4:2:0. Every plane of a colour picture has to be
/// padded to the size that an even width and height would give it.
pub(in crate::engine) fn encode_planes(
    width: u32,
    height: u32,
    planes: &[Plane],
    quality: u8,
) -> Result<Vec<u8>, Fault> {
    let subsamp = if planes.len() == 1 {
        raw::TJSAMP_TJSAMP_GRAY
    } else {
        raw::TJSAMP_TJSAMP_420
    };
    let handle = Handle::for_encoding(quality, subsamp)?;
    let mut pointers = [ptr::null(); 3];
    let mut strides = [0; 3];
    for (at, plane) in planes.iter().enumerate().take(3) {
        let (least_width, least_height) = match (planes.len(), at) {
            (1, _) => (width, height),
            (_, 0) => (width.next_multiple_of(2), height.next_multiple_of(2)),
            _ => (width.div_ceil(2), height.div_ceil(2)),
        };
        let fits = plane.width >= least_width && plane.height >= least_height;
        if !fits || plane.samples.len() < plane.width as usize * plane.height as usize {
            return Err(Fault::new("a plane is smaller than the picture".to_owned()));
        }
        pointers[at] = plane.samples.as_ptr();
        strides[at] = plane.width as c_int;
    }
    handle.compress(|jpeg, size| {
        // SAFETY: the planes were just checked to hold at least the rows and columns that the library reads, and
        // pointers of components that the subsampling doesn't have are never read.
        unsafe {
            raw::tj3CompressFromYUVPlanes8(
                handle.0,
                pointers.as_ptr(),
                width as c_int,
                strides.as_ptr(),
                height as c_int,
                jpeg,
                size,
            )
        }
    })
}

/// Encodes RGB pixels of three bytes each as a baseline JPEG, 4:2:0.
pub(in crate::engine) fn encode_rgb(width: u32, height: u32, rgb: &[u8], quality: u8) -> Result<Vec<u8>, Fault> {
    let pitch = width as usize * 3;
    if rgb.len() < pitch * height as usize {
        return Err(Fault::new("there are fewer pixels than the size says".to_owned()));
    }
    let handle = Handle::for_encoding(quality, raw::TJSAMP_TJSAMP_420)?;
    handle.compress(|jpeg, size| {
        // SAFETY: the pixels were just checked to be pitch × height bytes.
        unsafe {
            raw::tj3Compress8(
                handle.0,
                rgb.as_ptr(),
                width as c_int,
                pitch as c_int,
                height as c_int,
                raw::TJPF_TJPF_RGB,
                jpeg,
                size,
            )
        }
    })
}

/// Converts three planes of equal size from YCbCr (JFIF, full range) to RGB pixels of three bytes each.
pub(in crate::engine) fn ycbcr_to_rgb(width: u32, height: u32, planes: [&[u8]; 3]) -> Result<Vec<u8>, Fault> {
    let count = width as usize * height as usize;
    if planes.iter().any(|plane| plane.len() < count) {
        return Err(Fault::new("a plane is smaller than the picture".to_owned()));
    }
    let handle = Handle::new(raw::TJINIT_TJINIT_DECOMPRESS)?;
    handle.set(raw::TJPARAM_TJPARAM_SUBSAMP, raw::TJSAMP_TJSAMP_444)?;
    let mut rgb = vec![0; count * 3];
    let strides = [width as c_int; 3];
    // SAFETY: at 4:4:4 each plane is read for width × height bytes, which was just checked, and the output holds
    // three times as many.
    let status = unsafe {
        raw::tj3DecodeYUVPlanes8(
            handle.0,
            planes.map(<[u8]>::as_ptr).as_ptr(),
            strides.as_ptr(),
            rgb.as_mut_ptr(),
            width as c_int,
            width as c_int * 3,
            height as c_int,
            raw::TJPF_TJPF_RGB,
        )
    };
    handle.check(status)?;
    Ok(rgb)
}

/// A side after scaling, rounded up as libjpeg-turbo does.
fn scaled(side: u32, eighths: u32) -> u32 {
    (side * eighths).div_ceil(8)
}

// === impl Fault ===

impl Fault {
    fn new(message: String) -> Self {
        Self {
            warning: false,
            message,
        }
    }
}

// === impl Handle ===

impl Handle {
    fn new(kind: raw::TJINIT) -> Result<Self, Fault> {
        // SAFETY: takes a plain number; the result is checked.
        let handle = unsafe { raw::tj3Init(kind as c_int) };
        if handle.is_null() {
            Err(Fault::new("libjpeg-turbo has no memory".to_owned()))
        } else {
            Ok(Self(handle))
        }
    }

    fn for_encoding(quality: u8, subsamp: raw::TJSAMP) -> Result<Self, Fault> {
        let handle = Self::new(raw::TJINIT_TJINIT_COMPRESS)?;
        handle.set(raw::TJPARAM_TJPARAM_QUALITY, quality.clamp(1, 100).into())?;
        handle.set(raw::TJPARAM_TJPARAM_SUBSAMP, subsamp)?;
        handle.set(raw::TJPARAM_TJPARAM_OPTIMIZE, 1)?;
        Ok(handle)
    }

    /// A handle that decodes `jpeg`, once it has read from it the very header that buffers are sized by.
    fn for_decoding(jpeg: &[u8], header: &JpegHeader, eighths: u32, strictness: Strictness) -> Result<Self, Fault> {
        let handle = Self::new(raw::TJINIT_TJINIT_DECOMPRESS)?;
        handle.read_header(jpeg)?;
        let same = handle.get_unsigned(raw::TJPARAM_TJPARAM_JPEGWIDTH)? == header.width
            && handle.get_unsigned(raw::TJPARAM_TJPARAM_JPEGHEIGHT)? == header.height
            && handle.get(raw::TJPARAM_TJPARAM_SUBSAMP) == header.subsamp;
        if !same || !(1..=8).contains(&eighths) {
            return Err(Fault::new("its header is another one than was read before".to_owned()));
        }
        handle.set(raw::TJPARAM_TJPARAM_SCANLIMIT, MAX_SCANS)?;
        handle.set(
            raw::TJPARAM_TJPARAM_STOPONWARNING,
            (strictness == Strictness::StopOnWarning).into(),
        )?;
        let factor = raw::tjscalingfactor {
            num: eighths as c_int,
            denom: 8,
        };
        // The library knows its factors in lowest terms only.
        let factor = match eighths {
            8 => raw::tjscalingfactor { num: 1, denom: 1 },
            4 => raw::tjscalingfactor { num: 1, denom: 2 },
            2 | 6 => raw::tjscalingfactor {
                num: factor.num / 2,
                denom: 4,
            },
            _ => factor,
        };
        // SAFETY: takes a valid handle and plain numbers.
        handle.check(unsafe { raw::tj3SetScalingFactor(handle.0, factor) })?;
        Ok(handle)
    }

    fn read_header(&self, jpeg: &[u8]) -> Result<(), Fault> {
        // SAFETY: the pointer and length are those of one slice.
        let read = |jpeg: &[u8]| unsafe { raw::tj3DecompressHeader(self.0, jpeg.as_ptr(), jpeg.len() as raw::size_t) };
        let fatal = match self.check(read(jpeg)) {
            Err(fault) if !fault.warning => fault,
            // Of a file without a picture nothing is known, which alone is no error to the library.
            _ if self.get(raw::TJPARAM_TJPARAM_JPEGWIDTH) <= 0 => Fault::new("it holds no picture".to_owned()),
            _ => return Ok(()),
        };
        // An error often follows from what was only a warning, such as the early end of the file: name that.
        self.set(raw::TJPARAM_TJPARAM_STOPONWARNING, 1)?;
        self.check(read(jpeg)).and(Err(fatal))
    }

    fn set(&self, parameter: raw::TJPARAM, value: c_int) -> Result<(), Fault> {
        // SAFETY: takes a valid handle and plain numbers.
        self.check(unsafe { raw::tj3Set(self.0, parameter as c_int, value) })
    }

    fn get(&self, parameter: raw::TJPARAM) -> c_int {
        // SAFETY: takes a valid handle and a plain number.
        unsafe { raw::tj3Get(self.0, parameter as c_int) }
    }

    fn get_unsigned(&self, parameter: raw::TJPARAM) -> Result<u32, Fault> {
        u32::try_from(self.get(parameter)).map_err(|_| Fault::new("its header is incomplete".to_owned()))
    }

    fn icc_profile(&self) -> Option<Vec<u8>> {
        let (mut profile, mut size) = (ptr::null_mut(), 0);
        // SAFETY: takes a valid handle; on success it leaves an allocation of `size` bytes that is the caller's.
        let status = unsafe { raw::tj3GetICCProfile(self.0, &mut profile, &mut size) };
        if profile.is_null() {
            return None;
        }
        // SAFETY: see above; copied before it is freed, and freed once.
        let copy = unsafe {
            let copy = std::slice::from_raw_parts(profile, size as usize).to_vec();
            raw::tj3Free(profile.cast());
            copy
        };
        (status == 0 && !copy.is_empty()).then_some(copy)
    }

    fn compress(&self, call: impl FnOnce(*mut *mut u8, *mut raw::size_t) -> c_int) -> Result<Vec<u8>, Fault> {
        let (mut jpeg, mut size) = (ptr::null_mut(), 0);
        let outcome = self.check(call(&mut jpeg, &mut size));
        if jpeg.is_null() {
            return outcome.and(Err(Fault::new("libjpeg-turbo gave no bytes".to_owned())));
        }
        // SAFETY: the library has allocated `size` bytes that are the caller's; copied before freed, and freed once.
        let copy = unsafe {
            let copy = std::slice::from_raw_parts(jpeg, size as usize).to_vec();
            raw::tj3Free(jpeg.cast());
            copy
        };
        outcome.map(|()| copy)
    }

    fn check_decode(&self, status: c_int, strictness: Strictness) -> Result<(), Fault> {
        match self.check(status) {
            Err(fault) if fault.warning && strictness == Strictness::PassWarnings => Ok(()),
            outcome => outcome,
        }
    }

    fn check(&self, status: c_int) -> Result<(), Fault> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: takes a valid handle; the string is NUL-terminated, belongs to the handle and is copied at once.
        let (warning, message) = unsafe {
            (
                raw::tj3GetErrorCode(self.0) == raw::TJERR_TJERR_WARNING as c_int,
                CStr::from_ptr(raw::tj3GetErrorStr(self.0))
                    .to_string_lossy()
                    .into_owned(),
            )
        };
        Err(Fault { warning, message })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is valid and dropped once.
        unsafe { raw::tj3Destroy(self.0) }
    }
}
