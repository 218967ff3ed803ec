//! Pictures to render, renditions to render them by, and ways to compare the results.
use std::path::{Path, PathBuf};

use collodion::engine::{Limits, Rendered, render};
use collodion_crds::Rendition;
use fast_ssim2::{PixelDescriptor, PixelSlice};
use turbojpeg::{Image, PixelFormat, Subsamp};

pub(crate) const LIMITS: Limits = Limits {
    pixels: 100_000_000,
    bytes: 64 << 20,
};

/// A picture of `channels` bytes a pixel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: usize,
    pub(crate) data: Vec<u8>,
}

/// The bytes of one of the example photographs.
pub(crate) fn photo(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../examples/photos")
            .join(name),
    )
    .unwrap()
}

/// A file beside the golden renditions.
pub(crate) fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A rendition of the given steps and encoding, in the JSON of a manifest.
pub(crate) fn rendition(steps: &str, encode: &str) -> Rendition {
    serde_json::from_str(&format!(r#"{{"name": "test", "steps": {steps}, "encode": {encode}}}"#)).unwrap()
}

pub(crate) fn draw(source: &[u8], steps: &str, encode: &str) -> Rendered {
    render(source, &rendition(steps, encode), &LIMITS).unwrap()
}

/// The pixels of an image, at its own size and as many channels as it has.
pub(crate) fn pixels(image: &[u8]) -> Pixels {
    read_png(&draw(image, "[]", r#"{"format": "png"}"#).bytes)
}

/// The pixels of an image as RGB.
pub(crate) fn rgb(image: &[u8]) -> Pixels {
    let picture = pixels(image);
    let data = match picture.channels {
        1 => picture.data.iter().flat_map(|grey| [*grey; 3]).collect(),
        3 => picture.data,
        channels => panic!("a picture of {channels} channels has transparency"),
    };
    Pixels {
        channels: 3,
        data,
        ..picture
    }
}

/// Reads a PNG of 8 bits a channel without the engine's help.
pub(crate) fn read_png(bytes: &[u8]) -> Pixels {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut data).unwrap();
    assert_eq!(frame.bit_depth, png::BitDepth::Eight);
    Pixels {
        width: frame.width,
        height: frame.height,
        channels: frame.color_type.samples(),
        data,
    }
}

/// Writes a PNG.
pub(crate) fn write_png(picture: &Pixels) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, picture.width, picture.height);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(match picture.channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    encoder.write_header().unwrap().write_image_data(&picture.data).unwrap();
    bytes
}

/// Writes a JPEG of quality 95.
pub(crate) fn write_jpeg(picture: &Pixels, subsampling: Subsamp) -> Vec<u8> {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_quality(95).unwrap();
    compressor.set_subsamp(subsampling).unwrap();
    let image = Image {
        pixels: &picture.data[..],
        width: picture.width as usize,
        height: picture.height as usize,
        pitch: picture.width as usize * picture.channels,
        format: match picture.channels {
            1 => PixelFormat::GRAY,
            3 => PixelFormat::RGB,
            _ => PixelFormat::CMYK,
        },
    };
    compressor.compress_to_vec(image).unwrap()
}

/// A photograph cut to a size from its left upper corner.
pub(crate) fn cut(photo: &Pixels, width: u32, height: u32) -> Pixels {
    let row = photo.width as usize * photo.channels;
    let data = photo.data.chunks_exact(row).take(height as usize);
    let data = data
        .flat_map(|row| row[..width as usize * photo.channels].iter().copied())
        .collect();
    Pixels {
        width,
        height,
        channels: photo.channels,
        data,
    }
}

/// SSIMULACRA2 score of a picture against a reference: 100 is the same, above 90 looks the same.
pub(crate) fn score(reference: &Pixels, picture: &Pixels) -> f64 {
    assert_eq!((reference.width, reference.height), (picture.width, picture.height));
    assert_eq!((reference.channels, picture.channels), (3, 3));
    fn slice(picture: &Pixels) -> PixelSlice<'_> {
        let stride = picture.width as usize * 3;
        PixelSlice::new(
            &picture.data,
            picture.width,
            picture.height,
            stride,
            PixelDescriptor::RGB8_SRGB,
        )
        .unwrap()
    }
    fast_ssim2::compute_ssimulacra2(&slice(reference), &slice(picture)).unwrap()
}

/// Largest and mean difference of any byte of two pictures of one size.
pub(crate) fn difference(one: &Pixels, other: &Pixels) -> (u8, f64) {
    assert_eq!(
        (one.width, one.height, one.channels),
        (other.width, other.height, other.channels)
    );
    let differences = one
        .data
        .iter()
        .zip(&other.data)
        .map(|(one, other)| one.abs_diff(*other));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (differences.max().unwrap_or(0), sum as f64 / one.data.len() as f64)
}
