//! JPEG: baseline with optimised Huffman tables, 4:2:0, grey stays grey.
use super::super::ffi::jpeg::{self as turbo, Fault, Plane};
use super::super::geometry::Size;
use super::super::picture::{Picture, Raster};

/// Longest side of a JPEG in pixels, as libjpeg-turbo has it.
pub(super) const MAX_SIDE: u32 = 65_500;

/// Encodes 4:2:0 planes, grey or RGB pixels.
pub(super) fn encode(picture: Picture, quality: u8) -> Result<Vec<u8>, String> {
    let encoded = match picture {
        Picture::YCbCr([y, cb, cr]) => {
            let Size { width, height } = y.size;
            let planes = [padded(y), plane(cb), plane(cr)];
            turbo::encode_planes(width, height, &planes, quality)
        }
        Picture::Packed(raster) if raster.channels == 1 => {
            let Size { width, height } = raster.size;
            turbo::encode_planes(width, height, &[plane(raster)], quality)
        }
        Picture::Packed(raster) if raster.channels == 3 => {
            turbo::encode_rgb(raster.size.width, raster.size.height, &raster.pixels, quality)
        }
        Picture::Packed(_) => return Err("JPEG has no transparency".to_owned()),
    };
    encoded.map_err(|fault: Fault| fault.message)
}

fn plane(raster: Raster) -> Plane {
    Plane {
        width: raster.size.width,
        height: raster.size.height,
        samples: raster.pixels,
    }
}

/// A luma plane grown to an even width and height, as libjpeg-turbo reads it at 4:2:0, by repeating its edges.
fn padded(raster: Raster) -> Plane {
    let Size { width, height } = raster.size;
    let (even_width, even_height) = (width.next_multiple_of(2), height.next_multiple_of(2));
    if (width, height) == (even_width, even_height) {
        return plane(raster);
    }
    let mut samples = Vec::with_capacity(even_width as usize * even_height as usize);
    for row in raster.pixels.chunks_exact(width as usize) {
        samples.extend_from_slice(row);
        if let Some(last) = row.last().filter(|_| even_width > width) {
            samples.push(*last);
        }
    }
    if even_height > height {
        samples.extend_from_within(samples.len() - even_width as usize..);
    }
    Plane {
        width: even_width,
        height: even_height,
        samples,
    }
}
