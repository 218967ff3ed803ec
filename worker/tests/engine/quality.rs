//! Decoding a JPEG at a smaller scale costs no quality that shows.
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};
use turbojpeg::PixelFormat;

use super::support::{Pixels, draw, photo, rgb, score};

/// A full decode to RGB, resampled by Lanczos in floating point.
fn reference(jpeg: &[u8], width: u32, height: u32) -> Pixels {
    let full = turbojpeg::decompress(jpeg, PixelFormat::RGB).unwrap();
    let floats: Vec<u8> = full
        .pixels
        .iter()
        .flat_map(|value| f32::from(*value).to_le_bytes())
        .collect();
    let source = ImageRef::new(full.width as u32, full.height as u32, &floats, PixelType::F32x3).unwrap();
    let mut output = Image::new(width, height, PixelType::F32x3);
    Resizer::new()
        .resize(&source, &mut output, &ResizeOptions::new())
        .unwrap();
    let bytes = output.into_vec();
    let data = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|float| f32::from_le_bytes(*float).round().clamp(0.0, 255.0) as u8);
    Pixels {
        width,
        height,
        channels: 3,
        data: data.collect(),
    }
}

#[test]
fn every_size_scores_as_a_full_decode_does() {
    for name in ["eye.jpg", "space/hubble.jpg", "cat.jpg"] {
        let jpeg = photo(name);
        let header = collodion::engine::probe(&jpeg).unwrap();
        for share in [0.04, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.45, 0.5, 0.7, 1.0] {
            let width = (f64::from(header.width) * share).round().max(24.0) as u32;
            let rendered = draw(
                &jpeg,
                &format!(r#"[{{"resize": {{"width": {width}}}}}]"#),
                r#"{"format": "png"}"#,
            );
            let picture = rgb(&rendered.bytes);
            let score = score(&reference(&jpeg, picture.width, picture.height), &picture);
            assert!(score > 82.0, "{name} at {width} pixels scores {score}");
        }
    }
}
