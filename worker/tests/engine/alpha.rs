//! Transparency: resampled premultiplied, flattened where a format has none, dropped where it hides nothing.
use super::support::{Pixels, draw, photo, pixels, write_png};

/// White on the left, transparent black on the right.
fn half_white() -> Vec<u8> {
    let pixel = |x: u32| if x < 50 { [255; 4] } else { [0; 4] };
    let data = (0..100 * 100).flat_map(|at| pixel(at % 100)).collect();
    write_png(&Pixels {
        width: 100,
        height: 100,
        channels: 4,
        data,
    })
}

#[test]
fn transparent_black_never_darkens_what_lies_beside_it() {
    for (width, format, tolerance) in [(15, "png", 0), (23, "png", 0), (211, "png", 0), (23, "webp", 6)] {
        let steps = format!(r#"[{{"resize": {{"width": {width}}}}}]"#);
        let picture = pixels(
            &draw(
                &half_white(),
                &steps,
                &format!(r#"{{"format": "{format}", "quality": 95}}"#),
            )
            .bytes,
        );
        assert_eq!(picture.channels, 4);
        let (visible, _) = picture.data.as_chunks::<4>();
        let visible: Vec<_> = visible.iter().filter(|pixel| pixel[3] > 8).collect();
        assert!(
            visible.iter().any(|pixel| pixel[3] < 255),
            "nothing is half transparent at {width}"
        );
        for [red, green, blue, alpha] in visible {
            let darkest = *red.min(green).min(blue);
            assert!(
                255 - darkest <= tolerance,
                "{darkest} at alpha {alpha}, width {width} as {format}"
            );
        }
    }
}

#[test]
fn jpeg_lays_what_is_transparent_on_white_or_on_the_background() {
    let steps = r#"[{"resize": {"width": 33}}]"#;
    let white = pixels(&draw(&half_white(), steps, r#"{"format": "jpeg"}"#).bytes);
    assert!(white.data.iter().all(|value| *value >= 253));

    let steps = r##"[{"resize": {"width": 40}}, {"background": {"color": "#0000ff"}}]"##;
    let blue = pixels(&draw(&half_white(), steps, r#"{"format": "jpeg", "quality": 100}"#).bytes);
    let last = blue.data.as_chunks::<3>().0[39];
    assert!(last[0] < 8 && last[1] < 8 && last[2] > 247, "{last:?}");
}

#[test]
fn a_background_makes_any_format_opaque_and_is_the_same_before_and_after_a_resize() {
    let before = r##"[{"background": {"color": "#336699"}}, {"resize": {"width": 40}}]"##;
    let after = r##"[{"resize": {"width": 40}}, {"background": {"color": "#336699"}}]"##;
    let [before, after] = [before, after].map(|steps| draw(&photo("cup.png"), steps, "{}"));
    assert_eq!(before.bytes, after.bytes);
    let picture = pixels(&before.bytes);
    assert_eq!(picture.channels, 3);
    assert_eq!(picture.data[..3], [0x33, 0x66, 0x99]);
}

#[test]
fn alpha_that_hides_nothing_is_dropped() {
    let opaque = Pixels {
        width: 3,
        height: 2,
        channels: 4,
        data: [10, 20, 30, 255].repeat(6),
    };
    let picture = pixels(&draw(&write_png(&opaque), "[]", "{}").bytes);
    assert_eq!((picture.channels, &picture.data[..3]), (3, &[10, 20, 30][..]));
}

#[test]
fn grey_with_alpha_stays_grey_with_alpha() {
    let grey = Pixels {
        width: 2,
        height: 2,
        channels: 2,
        data: [200, 128].repeat(4),
    };
    assert_eq!(pixels(&draw(&write_png(&grey), "[]", "{}").bytes), grey);
    let webp = pixels(&draw(&write_png(&grey), "[]", r#"{"format": "webp"}"#).bytes);
    assert_eq!((webp.channels, webp.data[3]), (4, 128));
}

#[test]
fn a_cut_out_keeps_its_alpha_in_png_and_webp() {
    for format in ["png", "webp"] {
        let rendered = draw(
            &photo("cup.png"),
            r#"[{"resize": {"width": 64}}]"#,
            &format!(r#"{{"format": "{format}"}}"#),
        );
        let picture = pixels(&rendered.bytes);
        let alpha: Vec<u8> = picture.data.as_chunks::<4>().0.iter().map(|pixel| pixel[3]).collect();
        assert_eq!(alpha[0], 0, "{format}");
        assert_eq!(alpha[alpha.len() / 2 + 32], 255, "{format}");
    }
}
