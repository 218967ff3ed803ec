//! Broken and hostile files: always an error of a known kind or a picture, never a panic.
use collodion::engine::{Limits, RenderError, probe, render_all};
use collodion_crds::Rendition;
use proptest::prelude::*;
use std::sync::LazyLock;
use turbojpeg::Subsamp;

use super::support::{Pixels, cut, draw, photo, rendition, rgb, write_jpeg, write_png};

const LIMITS: Limits = Limits {
    pixels: 1_000_000,
    bytes: 1 << 20,
};

/// Small valid files of every kind, by name.
static FILES: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let photo = cut(&rgb(&photo("cat.jpg")), 45, 37);
    let grey = Pixels {
        channels: 1,
        data: photo.data.as_chunks::<3>().0.iter().map(|p| p[1]).collect(),
        ..photo
    };
    let with_alpha = |pixel: &[u8; 3]| [pixel[0], pixel[1], pixel[2], pixel[0]];
    let alpha = Pixels {
        channels: 4,
        data: photo.data.as_chunks::<3>().0.iter().flat_map(with_alpha).collect(),
        ..photo
    };
    let webp = r#"{"format": "webp"}"#;
    vec![
        ("4:2:0 JPEG", write_jpeg(&photo, Subsamp::Sub2x2)),
        ("4:1:1 JPEG", write_jpeg(&photo, Subsamp::Sub4x1)),
        ("grey JPEG", write_jpeg(&grey, Subsamp::Gray)),
        ("CMYK JPEG", write_jpeg(&alpha, Subsamp::None)),
        ("progressive JPEG", progressive(&photo)),
        ("PNG", write_png(&photo)),
        ("PNG with alpha", write_png(&alpha)),
        (
            "interlaced PNG",
            std::fs::read(super::support::golden_path("sources/interlaced.png")).unwrap(),
        ),
        ("WebP", draw(&write_png(&photo), "[]", webp).bytes),
        ("WebP with alpha", draw(&write_png(&alpha), "[]", webp).bytes),
    ]
});

fn progressive(photo: &Pixels) -> Vec<u8> {
    let mut transform = turbojpeg::Transform::default();
    transform.progressive = true;
    turbojpeg::transform(&transform, &write_jpeg(photo, Subsamp::Sub2x2))
        .unwrap()
        .to_vec()
}

fn renditions() -> Vec<Rendition> {
    [
        (r#"[{"resize": {"width": 5}}]"#, r#"{"format": "jpeg"}"#),
        (
            r#"[{"resize": {"width": 31, "height": 17, "fit": "cover"}}]"#,
            r#"{"format": "webp"}"#,
        ),
        (r#"[{"resize": {"width": 50, "height": 50}}]"#, r#"{"format": "png"}"#),
    ]
    .map(|(steps, encode)| rendition(steps, encode))
    .to_vec()
}

fn try_all(bytes: &[u8]) -> Result<(), RenderError> {
    let _ = probe(bytes);
    let all: Result<Vec<_>, _> = render_all(bytes, &renditions(), &LIMITS)?.into_iter().collect();
    all.map(|_| ())
}

#[test]
fn every_file_renders_whole() {
    for (name, file) in FILES.iter() {
        assert_eq!(try_all(file), Ok(()), "{name}");
    }
}

#[test]
fn every_file_cut_off_anywhere_is_an_error() {
    for (name, file) in FILES.iter() {
        for length in 0..file.len() {
            let error = try_all(&file[..length])
                .err()
                .unwrap_or_else(|| panic!("{name} renders from {length} bytes"));
            let expected = matches!(
                error,
                RenderError::Truncated { .. } | RenderError::Undecodable { .. } | RenderError::NotAnImage
            );
            assert!(expected, "{name} cut to {length} of {} bytes: {error:?}", file.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn changed_bytes_never_panic(
        file in 0..10usize,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        early in any::<bool>(),
    ) {
        let mut bytes = FILES[file].1.clone();
        // Headers are where a byte means most.
        let reach = if early { bytes.len().min(64) } else { bytes.len() };
        for (at, value) in changes {
            bytes[at.index(reach)] = value;
        }
        let _ = try_all(&bytes);
    }

    #[test]
    fn swapped_and_repeated_parts_never_panic(
        file in 0..10usize,
        from in any::<proptest::sample::Index>(),
        to in any::<proptest::sample::Index>(),
        length in 1..64usize,
    ) {
        let bytes = &FILES[file].1;
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let part = &bytes[from..(from + length).min(bytes.len())];
        let _ = try_all(&[&bytes[..to], part, &bytes[to..]].concat());
        let _ = try_all(&[&bytes[..to], &bytes[(to + length).min(bytes.len())..]].concat());
    }

    #[test]
    fn noise_behind_a_signature_never_panics(
        signature in proptest::sample::select(vec![
            &b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8 ", b"RIFF\x40\0\0\0WEBPVP8L", b"",
        ]),
        noise in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = try_all(&[signature, &noise].concat());
    }
}
