//! WebP: lossy, alpha kept.
use super::super::ffi::webp::{self as libwebp, Source};
use super::super::geometry::Size;
use super::super::picture::{Picture, Raster};

/// Longest side of a WebP in pixels.
pub(super) const MAX_SIDE: u32 = 16_383;

/// Encodes 4:2:0 planes or packed pixels.
pub(super) fn encode(picture: Picture, quality: u8) -> Result<Vec<u8>, String> {
    match picture {
        Picture::YCbCr([mut y, mut cb, mut cr]) => {
            to_studio_range(&mut y, &mut [&mut cb, &mut cr]);
            let Size { width, height } = y.size;
            libwebp::encode(
                width,
                height,
                Source::Planes([&mut y.pixels, &mut cb.pixels, &mut cr.pixels]),
                quality,
            )
        }
        Picture::Packed(mut raster) => {
            let Size { width, height } = raster.size;
            match raster.channels {
                1 => {
                    to_studio_range(&mut raster, &mut []);
                    let samples = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
                    let (mut u, mut v) = (vec![128; samples], vec![128; samples]);
                    libwebp::encode(
                        width,
                        height,
                        Source::Planes([&mut raster.pixels, &mut u, &mut v]),
                        quality,
                    )
                }
                3 => libwebp::encode(width, height, Source::Rgb(&raster.pixels), quality),
                _ => libwebp::encode(width, height, Source::Rgba(&raster.into_rgb().pixels), quality),
            }
        }
    }
}

/// Squeezes JPEG's full range (0 to 255) into the range of ITU-R BT.601 that WebP stores: 16 to 235 for luma, 16 to
/// 240 for chroma.
fn to_studio_range(luma: &mut Raster, chroma: &mut [&mut Raster]) {
    let luma_table: [u8; 256] = std::array::from_fn(|full| (16 + (full * 219 + 127) / 255) as u8);
    let chroma_table: [u8; 256] = std::array::from_fn(|full| {
        let centred = (full as i32 - 128) * 224;
        (128 + (centred + centred.signum() * 127) / 255) as u8
    });
    luma.pixels
        .iter_mut()
        .for_each(|sample| *sample = luma_table[usize::from(*sample)]);
    for plane in chroma {
        plane
            .pixels
            .iter_mut()
            .for_each(|sample| *sample = chroma_table[usize::from(*sample)]);
    }
}
