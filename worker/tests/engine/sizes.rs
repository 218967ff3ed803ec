//! Every way of changing a picture's size gives the size that it promises.
use super::support::{draw, photo, pixels};

#[test]
fn a_rendition_has_the_size_that_is_promised_in_every_format() {
    // 1000 × 872 pixels.
    let source = photo("space/hubble.jpg");
    for (resize, size) in [
        (r#"{"width": 300, "height": 300}"#, (300, 262)),
        (r#"{"height": 101}"#, (116, 101)),
        (r#"{"width": 1100, "height": 2000}"#, (1100, 959)),
        (r#"{"width": 1100, "height": 2000, "fit": "inside"}"#, (1000, 872)),
        (r#"{"width": 301, "height": 99, "fit": "cover"}"#, (301, 99)),
        (r#"{"width": 31, "height": 99, "fit": "fill"}"#, (31, 99)),
        (r#"{"width": 1, "height": 1, "fit": "cover"}"#, (1, 1)),
        (r#"{"width": 1}"#, (1, 1)),
    ] {
        for format in ["jpeg", "png", "webp"] {
            let steps = format!(r#"[{{"resize": {resize}}}]"#);
            let rendered = draw(&source, &steps, &format!(r#"{{"format": "{format}"}}"#));
            assert_eq!((rendered.width, rendered.height), size, "{steps} as {format}");
            let decoded = pixels(&rendered.bytes);
            assert_eq!((decoded.width, decoded.height), size, "{steps} as {format}");
        }
    }
}

#[test]
fn the_format_is_the_sources_own_unless_another_is_asked_for() {
    for (name, extension) in [("cat.jpg", "jpg"), ("cup.png", "png"), ("gravel.webp", "webp")] {
        let rendered = draw(&photo(name), r#"[{"resize": {"width": 20}}]"#, "{}");
        assert_eq!(rendered.format.extension(), extension);
    }
}

#[test]
fn a_crop_before_a_resize_keeps_what_it_cut_off_out_of_the_edges() {
    use super::support::{Pixels, difference, write_jpeg};
    // White, with a frame of black as wide as the crop cuts off.
    let (side, frame) = (203, 21);
    let inner = frame..side - frame;
    let data = (0..side).flat_map(|y| {
        let inner = inner.clone();
        (0..side).flat_map(move |x| {
            [if inner.contains(&x) && inner.contains(&y) {
                255
            } else {
                0
            }; 3]
        })
    });
    let picture = Pixels {
        width: side,
        height: side,
        channels: 3,
        data: data.collect(),
    };
    let jpeg = write_jpeg(&picture, turbojpeg::Subsamp::None);
    let kept = side - 2 * frame;
    let steps = format!(
        r#"[{{"crop": {{"width": {kept}, "height": {kept}, "x": {frame}, "y": {frame}}}}}, {{"resize": {{"width": 20}}}}]"#
    );
    let rendered = pixels(&draw(&jpeg, &steps, r#"{"format": "png"}"#).bytes);
    let white = Pixels {
        data: vec![255; rendered.data.len()],
        ..rendered.clone()
    };
    let (largest, _) = difference(&white, &rendered);
    assert!(largest <= 4, "an edge is off by {largest}");
}
