//! What is refused, by which reason and in which words.
use collodion::engine::{Limits, RenderError, probe, render, render_all};

use super::support::{LIMITS, draw, photo, rendition};

fn refuse(source: &[u8], steps: &str, encode: &str, limits: &Limits) -> RenderError {
    render(source, &rendition(steps, encode), limits).unwrap_err()
}

/// A PNG's signature and header, as far as a size needs.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let chunk = |data: &[u8]| {
        let mut crc = u32::MAX;
        for byte in data {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        [&(data.len() as u32 - 4).to_be_bytes()[..], data, &(!crc).to_be_bytes()].concat()
    };
    [
        b"\x89PNG\r\n\x1a\n",
        &chunk(&header)[..],
        &chunk(b"IDATx"),
        &chunk(b"IEND"),
    ]
    .concat()
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    let error = refuse(&png_header(20_000, 20_000), "[]", "{}", &LIMITS);
    assert_eq!(error.reason(), "TooManyPixels");
    assert_eq!(
        error.to_string(),
        "the image has 20000 × 20000 pixels, more than the 100000000 allowed: raise limits.pixels"
    );
}

#[test]
fn a_file_of_too_many_bytes_is_refused() {
    let error = refuse(&photo("cat.jpg"), "[]", "{}", &Limits { bytes: 1000, ..LIMITS });
    assert_eq!(error.reason(), "TooManyBytes");
    assert!(
        error
            .to_string()
            .ends_with("more than the 1000 allowed: raise limits.bytes"),
        "{error}"
    );
}

#[test]
fn what_is_no_image_is_told_from_what_is_not_supported() {
    assert_eq!(refuse(b"just a text", "[]", "{}", &LIMITS).reason(), "NotAnImage");
    assert_eq!(refuse(b"", "[]", "{}", &LIMITS).reason(), "NotAnImage");
    let gif = refuse(b"GIF89a\x01\0\x01\0", "[]", "{}", &LIMITS);
    assert_eq!(gif.to_string(), "GIF images can't be read: give a JPEG, PNG or WebP");
    assert_eq!(gif.reason(), "UnsupportedFormat");
}

#[test]
fn half_a_file_is_truncated() {
    for name in ["cat.jpg", "cup.png", "gravel.webp"] {
        let whole = photo(name);
        let error = refuse(&whole[..whole.len() / 2], "[]", "{}", &LIMITS);
        assert_eq!(error.reason(), "Truncated", "{name}: {error}");
    }
}

#[test]
fn a_file_that_ends_in_its_header_is_truncated() {
    for name in ["cat.jpg", "cup.png", "gravel.webp"] {
        let error = refuse(&photo(name)[..20], "[]", "{}", &LIMITS);
        assert_eq!(error.reason(), "Truncated", "{name}: {error}");
    }
}

#[test]
fn bytes_before_the_end_marker_and_after_it_are_no_fault() {
    let whole = photo("cat.jpg");
    let upright = draw(&whole, "[]", "{}");
    let (picture, end) = whole.split_at(whole.len() - 2);
    assert_eq!(end, [0xff, 0xd9]);
    assert_eq!(draw(&[picture, &[1, 2, 3], end].concat(), "[]", "{}"), upright);
    assert_eq!(draw(&[&whole[..], b"an appended video"].concat(), "[]", "{}"), upright);
}

#[test]
fn animations_are_refused() {
    let mut webp = b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x09\0\0\x09\0\0ANIM\x06\0\0\0".to_vec();
    webp.extend([0; 6]);
    assert_eq!(refuse(&webp, "[]", "{}", &LIMITS).reason(), "UnsupportedAnimation");

    let mut apng = vec![];
    let mut encoder = png::Encoder::new(&mut apng, 2, 2);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0; 4]).unwrap();
    writer.write_image_data(&[9; 4]).unwrap();
    writer.finish().unwrap();
    let error = refuse(&apng, "[]", "{}", &LIMITS);
    assert_eq!(
        error.to_string(),
        "the PNG is animated: only still images can be rendered"
    );
}

#[test]
fn outputs_are_bounded_too() {
    let cat = photo("cat.jpg");
    let limits = Limits {
        pixels: 451 * 300,
        ..LIMITS
    };
    let error = refuse(&cat, r#"[{"resize": {"width": 500}}]"#, "{}", &limits);
    assert_eq!(error.reason(), "OutputTooLarge");
    assert_eq!(
        error.to_string(),
        "the rendition would have 500 × 333 pixels, more than the 135300 that limits.pixels allows: ask for a smaller size"
    );
    let wide = r#"[{"resize": {"width": 16384, "height": 2, "fit": "fill"}}]"#;
    assert_eq!(
        refuse(&cat, wide, r#"{"format": "webp"}"#, &LIMITS).reason(),
        "OutputTooLarge"
    );
    assert_eq!(draw(&cat, wide, r#"{"format": "jpeg"}"#).width, 16_384);
}

#[test]
fn a_rendition_that_can_not_be_made_fails_alone() {
    let renditions = [
        rendition(
            r#"[{"resize": {"width": 16384, "height": 2, "fit": "fill"}}]"#,
            r#"{"format": "webp"}"#,
        ),
        rendition(r#"[{"resize": {"width": 100}}]"#, "{}"),
    ];
    let all = render_all(&photo("cat.jpg"), &renditions, &LIMITS).unwrap();
    assert_eq!(all[0].as_ref().unwrap_err().reason(), "OutputTooLarge");
    assert_eq!(all[1].as_ref().unwrap().width, 100);
}

#[test]
fn a_header_is_read_without_limits() {
    let header = probe(&png_header(20_000, 10_000)).unwrap();
    assert_eq!((header.width, header.height), (20_000, 10_000));
    let coffee = probe(&photo("coffee.jpg")).unwrap();
    assert_eq!((coffee.width, coffee.height), (600, 400));
}
