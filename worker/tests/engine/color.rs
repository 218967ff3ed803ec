//! Colours: foreign profiles become sRGB, grey stays grey, CMYK is read.
use collodion::engine::RenderError;
use moxcms::ColorProfile;
use turbojpeg::Subsamp;

use super::support::{LIMITS, Pixels, draw, photo, pixels, rendition, rgb, score, write_jpeg, write_png};

fn flat(color: &[u8]) -> Pixels {
    Pixels {
        width: 64,
        height: 48,
        channels: color.len(),
        data: color.repeat(64 * 48),
    }
}

fn jpeg_with_profile(jpeg: &[u8], profile: &[u8]) -> Vec<u8> {
    let payload = [b"ICC_PROFILE\0\x01\x01", profile].concat();
    let length = (payload.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe2], &length, &payload, &jpeg[2..]].concat()
}

/// Display P3 to sRGB: sRGB's transfer curve both ways, and between them the matrix that follows from the primaries
/// of SMPTE EG 432-1 and ITU-R BT.709, both with white D65.
fn p3_to_srgb(color: [u8; 3]) -> [u8; 3] {
    const MATRIX: [[f64; 3]; 3] = [
        [1.224_940, -0.224_940, 0.0],
        [-0.042_057, 1.042_057, 0.0],
        [-0.019_638, -0.078_636, 1.098_274],
    ];
    let linear = color.map(|value| {
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    MATRIX.map(|row| {
        let value: f64 = row.iter().zip(linear).map(|(factor, value)| factor * value).sum();
        let value = value.clamp(0.0, 1.0);
        let coded = if value <= 0.003_130_8 {
            value * 12.92
        } else {
            1.055 * value.powf(1.0 / 2.4) - 0.055
        };
        (coded * 255.0).round() as u8
    })
}

#[test]
fn display_p3_becomes_srgb_in_every_format() {
    let color = [200, 90, 60];
    let profile = ColorProfile::new_display_p3().encode().unwrap();
    let source = jpeg_with_profile(&write_jpeg(&flat(&color), Subsamp::None), &profile);
    for format in ["jpeg", "png", "webp"] {
        let rendered = draw(
            &source,
            r#"[{"resize": {"width": 16}}]"#,
            &format!(r#"{{"format": "{format}"}}"#),
        );
        let pixel = pixels(&rendered.bytes).data.as_chunks::<3>().0[40];
        let expected = p3_to_srgb(color);
        assert!(
            pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 4),
            "{pixel:?} is not {expected:?} in {format}"
        );
    }
}

#[test]
fn adobe_rgb_photographs_gain_saturation() {
    // Read without its profile the photograph looks duller than it is.
    let converted = rgb(&draw(&photo("space/rocket.jpg"), "[]", r#"{"format": "png"}"#).bytes);
    let blue = converted.data.as_chunks::<3>().0[100 * 640 + 320];
    assert!(blue[2] > blue[0] + 40, "{blue:?}");
}

#[test]
fn an_srgb_profile_and_a_broken_one_change_nothing() {
    let jpeg = write_jpeg(&flat(&[200, 90, 60]), Subsamp::Sub2x2);
    let plain = draw(&jpeg, r#"[{"resize": {"width": 16}}]"#, "{}");
    let srgb = ColorProfile::new_srgb().encode().unwrap();
    let broken = ColorProfile::new_display_p3().encode().unwrap();
    for profile in [&srgb[..], &broken[..150], b"nonsense"] {
        assert!(
            plain
                == draw(
                    &jpeg_with_profile(&jpeg, profile),
                    r#"[{"resize": {"width": 16}}]"#,
                    "{}"
                )
        );
    }
}

#[test]
fn grey_stays_grey() {
    let grey = flat(&[77]);
    let jpeg = write_jpeg(&grey, Subsamp::Gray);
    for source in [&jpeg, &write_png(&grey)] {
        let steps = r#"[{"resize": {"width": 33}}]"#;
        let rendered = draw(source, steps, r#"{"format": "jpeg"}"#).bytes;
        assert_eq!(turbojpeg::read_header(&rendered).unwrap().subsamp, Subsamp::Gray);
        let rendered = pixels(&draw(source, steps, r#"{"format": "png"}"#).bytes);
        assert_eq!((rendered.channels, rendered.data[0]), (1, 77));
        let rendered = pixels(&draw(source, steps, r#"{"format": "webp"}"#).bytes);
        assert!(rendered.data.iter().all(|value| value.abs_diff(77) <= 1));
    }
}

#[test]
fn jpeg_colours_are_always_stored_at_420() {
    for subsampling in [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub4x1] {
        let rendered = draw(&write_jpeg(&flat(&[1, 99, 200]), subsampling), "[]", "{}").bytes;
        assert_eq!(turbojpeg::read_header(&rendered).unwrap().subsamp, Subsamp::Sub2x2);
        let pixel = pixels(&rendered).data.as_chunks::<3>().0[0];
        assert!(
            pixel.iter().zip([1, 99, 200]).all(|(a, b)| a.abs_diff(b) <= 3),
            "{pixel:?}"
        );
    }
}

#[test]
fn cmyk_without_a_profile_is_the_absence_of_its_inks() {
    // As Adobe stores it: 255 is no ink.
    let jpeg = write_jpeg(&flat(&[255, 128, 0, 128]), Subsamp::None);
    let pixel = pixels(&draw(&jpeg, r#"[{"resize": {"width": 16}}]"#, r#"{"format": "png"}"#).bytes).data;
    assert!(
        pixel[..3].iter().zip([128u8, 64, 0]).all(|(a, b)| a.abs_diff(b) <= 3),
        "{:?}",
        &pixel[..3]
    );
}

#[test]
fn sixteen_bits_palettes_and_interlacing_are_read() {
    let mut sixteen = vec![];
    let mut encoder = png::Encoder::new(&mut sixteen, 2, 1);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.set_color(png::ColorType::Rgb);
    let data: Vec<u8> = [0x1234u16, 0x8000, 0xffff, 0, 0xff00, 0x00ff]
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .collect();
    encoder.write_header().unwrap().write_image_data(&data).unwrap();
    assert_eq!(pixels(&sixteen).data, [0x12, 0x80, 0xff, 0, 0xff, 0]);

    let mut palette = vec![];
    let mut encoder = png::Encoder::new(&mut palette, 3, 1);
    encoder.set_depth(png::BitDepth::Two);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![1, 2, 3, 40, 50, 60, 7, 8, 9]);
    encoder.set_trns(vec![255, 128]);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&[0b00_01_10_00])
        .unwrap();
    assert_eq!(pixels(&palette).data, [1, 2, 3, 255, 40, 50, 60, 128, 7, 8, 9, 255]);

    let interlaced = std::fs::read(super::support::golden_path("sources/interlaced.png")).unwrap();
    let pixel = |at: u32| [at % 37 * 6, at / 37 * 8, (at % 37) ^ (at / 37)].map(|value| value as u8);
    let data = (0..37 * 29).flat_map(pixel).collect();
    assert!(
        pixels(&interlaced)
            == Pixels {
                width: 37,
                height: 29,
                channels: 3,
                data
            }
    );
}

#[test]
fn planes_and_rgb_agree() {
    let photo = super::support::cut(&rgb(&photo("cat.jpg")), 300, 200);
    let steps = r#"[{"resize": {"width": 150}}]"#;
    let from_planes = rgb(&draw(&write_jpeg(&photo, Subsamp::Sub2x2), steps, r#"{"quality": 95}"#).bytes);
    let from_rgb = rgb(&draw(&write_png(&photo), steps, r#"{"format": "jpeg", "quality": 95}"#).bytes);
    let score = score(&from_rgb, &from_planes);
    assert!(score > 80.0, "it scores {score}");
}

#[test]
fn twelve_bits_are_refused_by_name() {
    let mut jpeg = write_jpeg(&flat(&[1, 2, 3]), Subsamp::None);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 1] = 0xc1;
    jpeg[frame + 4] = 12;
    let error = collodion::engine::render(&jpeg, &rendition("[]", "{}"), &LIMITS).unwrap_err();
    assert!(matches!(error, RenderError::UnsupportedFormat { .. }), "{error}");
}
