//! Renditions of the example photographs, held against the pictures in tests/golden. To renew those after a change
//! that is meant: `UPDATE_GOLDEN=1 cargo test -p collodion --test engine golden`, then look at them.
use super::support::{Pixels, draw, golden_path, photo, pixels, score};

/// Golden file, photograph, steps and encoding.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "astronaut-cover.jpg",
        "astronaut.jpg",
        r#"[{"resize": {"width": 160, "height": 160, "fit": "cover", "gravity": "north"}}]"#,
        "{}",
    ),
    (
        "astronaut-crop.webp",
        "astronaut.jpg",
        r#"[{"crop": {"width": 121, "height": 151, "x": 111, "y": 9}}]"#,
        r#"{"format": "webp", "quality": 90}"#,
    ),
    (
        "cat-focus.webp",
        "cat.jpg",
        r#"[{"resize": {"width": 120, "height": 200, "fit": "cover", "focus": {"x": 0.4, "y": 0.3}}}]"#,
        r#"{"format": "webp"}"#,
    ),
    (
        "cat-larger.jpg",
        "cat.jpg",
        r#"[{"crop": {"width": 101, "height": 75, "x": 150, "y": 100}}, {"resize": {"width": 303}}]"#,
        "{}",
    ),
    (
        "coffee-upright.jpg",
        "coffee.jpg",
        r#"[{"resize": {"width": 201, "height": 201}}]"#,
        "{}",
    ),
    (
        "coffee-upright.png",
        "coffee.jpg",
        r#"[{"resize": {"width": 120, "height": 90, "fit": "fill"}}]"#,
        r#"{"format": "png"}"#,
    ),
    ("cup-alpha.png", "cup.png", r#"[{"resize": {"height": 150}}]"#, "{}"),
    (
        "cup-alpha.webp",
        "cup.png",
        r#"[{"resize": {"height": 150}}]"#,
        r#"{"format": "webp"}"#,
    ),
    (
        "cup-white.jpg",
        "cup.png",
        r#"[{"resize": {"height": 150}}]"#,
        r#"{"format": "jpeg"}"#,
    ),
    (
        "cup-blue.jpg",
        "cup.png",
        r##"[{"background": {"color": "#204080"}}, {"resize": {"height": 150}}]"##,
        r#"{"format": "jpeg"}"#,
    ),
    (
        "eye.jpg",
        "eye.jpg",
        r#"[{"resize": {"width": 150, "height": 150, "fit": "inside"}}]"#,
        r#"{"quality": 60}"#,
    ),
    ("gravel.webp", "gravel.webp", r#"[{"resize": {"width": 128}}]"#, "{}"),
    (
        "hubble.jpg",
        "space/hubble.jpg",
        r#"[{"resize": {"width": 333}}]"#,
        "{}",
    ),
    (
        "rocket-srgb.jpg",
        "space/rocket.jpg",
        r#"[{"resize": {"width": 200, "height": 200, "fit": "inside"}}]"#,
        "{}",
    ),
];

/// Scores above this look the same.
const SAME: f64 = 95.0;

#[test]
fn renditions_look_as_they_did() {
    for (name, source, steps, encode) in CASES {
        let rendered = draw(&photo(source), steps, encode);
        let path = golden_path(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &rendered.bytes).unwrap();
        }
        let golden =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}; make it with UPDATE_GOLDEN=1"));
        let (golden, rendered) = (pixels(&golden), pixels(&rendered.bytes));
        assert_eq!(
            (golden.width, golden.height, golden.channels),
            (rendered.width, rendered.height, rendered.channels),
            "{name} has another size or other channels"
        );
        for background in [0, 255] {
            let score = score(&over(&golden, background), &over(&rendered, background));
            assert!(score > SAME, "{name} looks different: it scores {score}");
        }
    }
}

/// A picture laid on a grey, as RGB.
fn over(picture: &Pixels, background: u8) -> Pixels {
    let mix = |value: u8, alpha: u8| {
        ((u32::from(value) * u32::from(alpha) + u32::from(background) * (255 - u32::from(alpha))) / 255) as u8
    };
    let data = picture
        .data
        .chunks_exact(picture.channels)
        .flat_map(|pixel| match pixel {
            [grey] => [*grey; 3],
            [grey, alpha] => [mix(*grey, *alpha); 3],
            [red, green, blue] => [*red, *green, *blue],
            [red, green, blue, alpha] => [mix(*red, *alpha), mix(*green, *alpha), mix(*blue, *alpha)],
            _ => unreachable!("pixels have 1 to 4 channels"),
        });
    Pixels {
        channels: 3,
        data: data.collect(),
        ..*picture
    }
}
