//! Stored in whichever of the eight ways, a picture comes out upright.
use collodion::engine::probe;
use turbojpeg::Subsamp;

use super::support::{Pixels, cut, difference, draw, photo, pixels, rgb, score, write_jpeg, write_png};

/// An odd-sized photograph.
fn upright() -> Pixels {
    cut(&rgb(&photo("astronaut.jpg")), 251, 187)
}

/// The picture as it is stored when EXIF says `value`: each upright pixel goes where a viewer looks for it.
fn stored(picture: &Pixels, value: u8) -> Pixels {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let (stored_width, stored_height) = if value >= 5 { (height, width) } else { (width, height) };
    let mut data = Vec::with_capacity(picture.data.len());
    for row in 0..stored_height {
        for column in 0..stored_width {
            // What the 0th row and column are, says the EXIF standard (2.32, 4.6.4, Orientation).
            let (x, y) = match value {
                1 => (column, row),
                2 => (width - 1 - column, row),
                3 => (width - 1 - column, height - 1 - row),
                4 => (column, height - 1 - row),
                5 => (row, column),
                6 => (width - 1 - row, column),
                7 => (width - 1 - row, height - 1 - column),
                _ => (row, height - 1 - column),
            };
            let at = (y * width + x) * picture.channels;
            data.extend_from_slice(&picture.data[at..at + picture.channels]);
        }
    }
    Pixels {
        width: stored_width as u32,
        height: stored_height as u32,
        data,
        ..*picture
    }
}

/// A block of EXIF that says nothing but an orientation.
fn exif(value: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([value, 0, 0, 0, 0, 0, 0, 0]);
    tiff
}

fn jpeg_with_exif(jpeg: &[u8], value: u8) -> Vec<u8> {
    let payload = [b"Exif\0\0", &exif(value)[..]].concat();
    let length = (payload.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &payload, &jpeg[2..]].concat()
}

const STEPS: [&str; 4] = [
    "[]",
    r#"[{"resize": {"width": 101}}]"#,
    r#"[{"resize": {"width": 64, "height": 75, "fit": "cover", "gravity": "northeast"}}]"#,
    r#"[{"crop": {"width": 111, "height": 133, "x": 31, "y": 17}}, {"resize": {"width": 90}}]"#,
];

/// Encodings, and the least that a rendition scores in them against that of the upright file. The files that are
/// compared were each compressed on their own, turned, and at these sizes chroma at 4:2:0 weighs much.
const ENCODINGS: [(&str, f64); 3] = [
    (r#"{"format": "png"}"#, 75.0),
    (r#"{"format": "webp", "quality": 95}"#, 75.0),
    (r#"{"quality": 95}"#, 67.0),
];

#[test]
fn all_eight_orientations_of_a_jpeg_render_to_the_upright_picture() {
    let upright = upright();
    for subsampling in [
        Subsamp::None,
        Subsamp::Sub2x2,
        Subsamp::Sub2x1,
        Subsamp::Sub1x2,
        Subsamp::Sub4x1,
    ] {
        for steps in STEPS {
            for (encode, least) in ENCODINGS {
                let reference = rgb(&draw(&write_jpeg(&upright, subsampling), steps, encode).bytes);
                for value in 1..=8 {
                    let source = jpeg_with_exif(&write_jpeg(&stored(&upright, value), subsampling), value);
                    let header = probe(&source).unwrap();
                    assert_eq!((header.width, header.height), (upright.width, upright.height));
                    let rendered = rgb(&draw(&source, steps, encode).bytes);
                    let (score, (_, mean)) = (score(&reference, &rendered), difference(&reference, &rendered));
                    assert!(
                        score > least && mean < 2.2,
                        "orientation {value}, {subsampling:?}, {steps}, {encode}: score {score}, off by {mean}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_png_is_turned_without_loss() {
    let upright = upright();
    for value in 1..=8 {
        let png = write_png(&stored(&upright, value));
        let chunk = exif_chunk(&exif(value));
        // After the signature and the header.
        let source = [&png[..33], &chunk, &png[33..]].concat();
        assert_eq!(pixels(&source), upright, "orientation {value}");
        let (largest, _) = difference(
            &pixels(&draw(&write_png(&upright), STEPS[1], "{}").bytes),
            &pixels(&draw(&source, STEPS[1], "{}").bytes),
        );
        assert!(largest <= 6, "orientation {value} is off by {largest}");
    }
}

/// A PNG's eXIf chunk.
fn exif_chunk(tiff: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut writer = png::Encoder::new(&mut bytes, 1, 1).write_header().unwrap();
    writer.write_chunk(png::chunk::eXIf, tiff).unwrap();
    drop(writer);
    bytes[33..33 + 12 + tiff.len()].to_vec()
}

#[test]
fn a_webp_is_turned() {
    let upright = upright();
    let webp = draw(
        &write_png(&stored(&upright, 6)),
        "[]",
        r#"{"format": "webp", "quality": 95}"#,
    )
    .bytes;
    let mut extended = b"VP8X\x0a\0\0\0\x08\0\0\0".to_vec();
    extended.extend_from_slice(&(upright.height - 1).to_le_bytes()[..3]);
    extended.extend_from_slice(&(upright.width - 1).to_le_bytes()[..3]);
    extended.extend_from_slice(&webp[12..]);
    let tiff = exif(6);
    extended.extend_from_slice(b"EXIF");
    extended.extend_from_slice(&(tiff.len() as u32).to_le_bytes());
    extended.extend_from_slice(&tiff);
    let source = [
        b"RIFF",
        &(extended.len() as u32 + 4).to_le_bytes()[..],
        b"WEBP",
        &extended,
    ]
    .concat();
    let score = score(&upright, &rgb(&source));
    assert!(score > 70.0, "it scores {score}");
}

#[test]
fn a_rendition_carries_no_orientation() {
    for format in ["jpeg", "png", "webp"] {
        let rendered = draw(&photo("coffee.jpg"), "[]", &format!(r#"{{"format": "{format}"}}"#));
        let again = probe(&rendered.bytes).unwrap();
        assert_eq!((again.width, again.height), (600, 400));
        assert!(
            !rendered
                .bytes
                .windows(4)
                .any(|window| window.eq_ignore_ascii_case(b"exif"))
        );
    }
}
