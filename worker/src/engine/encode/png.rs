//! PNG: 8 bits a channel, as many channels as the picture has.
use png::{BitDepth, ColorType, Compression, Encoder};

use super::super::picture::{Picture, Raster};

/// What compresses to less than one part in this many of its pixels is drawn rather than photographed.
const GRAPHICS: usize = 3;

/// Encodes packed pixels. Photographs hardly shrink with more effort than the fastest; graphics, which shrink much,
/// are worth it.
pub(super) fn encode(picture: Picture) -> Result<Vec<u8>, String> {
    let Picture::Packed(raster) = picture else {
        return Err("PNG has no planes".to_owned());
    };
    let fast = compress(&raster, Compression::Fast)?;
    if fast.len() >= raster.pixels.len() / GRAPHICS {
        return Ok(fast);
    }
    let balanced = compress(&raster, Compression::Balanced)?;
    Ok(if balanced.len() < fast.len() { balanced } else { fast })
}

fn compress(raster: &Raster, compression: Compression) -> Result<Vec<u8>, String> {
    let color = match raster.channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, raster.size.width, raster.size.height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(compression);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&raster.pixels)?;
        writer.finish()
    });
    written.map_err(|error| error.to_string())?;
    Ok(bytes)
}
