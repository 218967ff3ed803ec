//! PNG: 8 bits a channel, as many channels as the picture has.
use png::{BitDepth, ColorType, Compression, Encoder};

use super::super::picture::Picture;

/// Encodes packed pixels.
pub(super) fn encode(picture: Picture) -> Result<Vec<u8>, String> {
    let Picture::Packed(raster) = picture else {
        return Err("PNG has no planes".to_owned());
    };
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
    encoder.set_compression(Compression::Balanced);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&raster.pixels)?;
        writer.finish()
    });
    written.map_err(|error| error.to_string())?;
    Ok(bytes)
}
