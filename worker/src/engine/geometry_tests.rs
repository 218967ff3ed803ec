//! Tests of the arithmetic on sizes and rectangles.
use super::*;
use proptest::prelude::*;

fn steps(json: &str) -> Vec<Step> {
    serde_json::from_str(json).unwrap()
}

fn plan(width: u32, height: u32, json: &str) -> Result<Plan, RenderError> {
    Plan::new(Size::new(width, height), &steps(json), 100_000_000)
}

fn output(width: u32, height: u32, json: &str) -> (u32, u32) {
    let size = plan(width, height, json).unwrap().output();
    (size.width, size.height)
}

#[test]
fn every_fit_has_the_size_it_promises() {
    for (json, expected) in [
        (r#"[{"resize": {"width": 100, "height": 100}}]"#, (100, 75)),
        (r#"[{"resize": {"width": 800, "height": 900}}]"#, (800, 600)),
        (
            r#"[{"resize": {"width": 800, "height": 900, "fit": "inside"}}]"#,
            (400, 300),
        ),
        (
            r#"[{"resize": {"width": 200, "height": 900, "fit": "inside"}}]"#,
            (200, 150),
        ),
        (
            r#"[{"resize": {"width": 100, "height": 100, "fit": "cover"}}]"#,
            (100, 100),
        ),
        (
            r#"[{"resize": {"width": 900, "height": 10, "fit": "cover"}}]"#,
            (900, 10),
        ),
        (r#"[{"resize": {"width": 7, "height": 900, "fit": "fill"}}]"#, (7, 900)),
        (r#"[{"resize": {"width": 200}}]"#, (200, 150)),
        (r#"[{"resize": {"height": 150}}]"#, (200, 150)),
        (r#"[{"crop": {"width": 500, "height": 50}}]"#, (400, 50)),
        (
            r#"[{"crop": {"width": 500, "height": 50, "x": 390, "y": 290}}]"#,
            (10, 10),
        ),
        (r#"[]"#, (400, 300)),
    ] {
        assert_eq!(output(400, 300, json), expected, "{json}");
    }
}

#[test]
fn a_side_never_vanishes() {
    assert_eq!(
        output(10_000, 1, r#"[{"resize": {"width": 10, "height": 10}}]"#),
        (10, 1)
    );
    assert_eq!(
        output(
            1,
            10_000,
            r#"[{"resize": {"width": 10, "height": 10, "fit": "inside"}}]"#
        ),
        (1, 10)
    );
}

#[test]
fn gravity_and_focus_say_what_cover_keeps() {
    let area = |placing: &str| {
        let json = format!(r#"[{{"resize": {{"width": 100, "height": 100, "fit": "cover"{placing}}}}}]"#);
        let plan = plan(400, 200, &json).unwrap();
        assert_eq!(plan.samples.len(), 1);
        let area = plan.samples[0].area;
        assert_eq!((area.y, area.width, area.height), (0.0, 200.0, 200.0));
        area.x
    };
    assert_eq!(area(""), 100.0);
    assert_eq!(area(r#", "gravity": "northwest""#), 0.0);
    assert_eq!(area(r#", "gravity": "east""#), 200.0);
    assert_eq!(area(r#", "gravity": "south""#), 100.0);
    assert_eq!(area(r#", "focus": {"x": 0.5, "y": 0.0}"#), 100.0);
    assert_eq!(area(r#", "focus": {"x": 0.3, "y": 1.0}"#), 20.0);
    assert_eq!(area(r#", "focus": {"x": 1.0, "y": 1.0}"#), 200.0);
}

#[test]
fn a_crop_is_placed_on_whole_pixels() {
    let area = |json: &str| plan(101, 101, json).unwrap().samples[0].area;
    let centre = area(r#"[{"crop": {"width": 50, "height": 50}}]"#);
    assert_eq!(
        (centre.x, centre.y, centre.width, centre.height),
        (25.0, 25.0, 50.0, 50.0)
    );
    let corner = area(r#"[{"crop": {"width": 50, "height": 50, "gravity": "southeast"}}]"#);
    assert_eq!((corner.x, corner.y), (51.0, 51.0));
    let focus = area(r#"[{"crop": {"width": 50, "height": 50, "focus": {"x": 0.0, "y": 0.6}}}]"#);
    assert_eq!((focus.x, focus.y), (0.0, 35.0));
}

#[test]
fn cuts_around_one_resize_are_one_sampling_and_what_was_cut_first_is_not_read() {
    let json = r#"[{"crop": {"width": 200, "height": 100, "x": 10, "y": 20}}, {"resize": {"width": 100}},
        {"crop": {"width": 50, "height": 25, "x": 5, "y": 10}}]"#;
    let plan = plan(400, 300, json).unwrap();
    assert_eq!(
        plan.samples,
        [Sample {
            source: Size::new(400, 300),
            region: Rect {
                x: 10.0,
                y: 20.0,
                width: 200.0,
                height: 100.0
            },
            area: Rect {
                x: 20.0,
                y: 40.0,
                width: 100.0,
                height: 50.0
            },
            output: Size::new(50, 25),
        }]
    );
}

#[test]
fn a_second_resize_is_a_sampling_of_its_own() {
    let plan = plan(400, 300, r#"[{"resize": {"width": 40}}, {"resize": {"width": 400}}]"#).unwrap();
    let outputs: Vec<_> = plan
        .samples
        .iter()
        .map(|sample| (sample.source.width, sample.output.width))
        .collect();
    assert_eq!(outputs, [(400, 40), (40, 400)]);
}

#[test]
fn the_first_background_wins() {
    let json = r##"[{"background": {"color": "#ff0000"}}, {"background": {"color": "#00ff00"}}]"##;
    assert_eq!(plan(4, 4, json).unwrap().background, Some([255, 0, 0]));
}

#[test]
fn impossible_steps_are_named_by_their_place() {
    for (json, index) in [
        (r#"[{}]"#, 0),
        (
            r#"[{"resize": {"width": 1}}, {"crop": {"width": 1, "height": 1, "x": 1, "y": 0}}]"#,
            1,
        ),
        (r#"[{"resize": {"fit": "contain"}}]"#, 0),
        (r#"[{"resize": {"width": 5, "fit": "cover"}}]"#, 0),
        (r#"[{"resize": {"width": 0}}]"#, 0),
        (r#"[{"crop": {"width": 0, "height": 5}}]"#, 0),
        (r#"[{"background": {"color": "red"}}]"#, 0),
        (r#"[{"crop": {"width": 1, "height": 1}, "resize": {"width": 1}}]"#, 0),
    ] {
        match plan(400, 300, json) {
            Err(RenderError::InvalidStep { index: found, .. }) => assert_eq!(found, index, "{json}"),
            other => panic!("{json} gave {other:?}"),
        }
    }
}

#[test]
fn an_output_is_bounded_on_every_step() {
    let large = |json: &str| matches!(plan(10, 10_000, json), Err(RenderError::OutputTooLarge { .. }));
    assert!(large(r#"[{"resize": {"width": 16384}}]"#));
    assert!(large(
        r#"[{"resize": {"width": 16384}}, {"crop": {"width": 1, "height": 1}}]"#
    ));
    assert!(large(
        r#"[{"resize": {"width": 16000, "height": 16000, "fit": "fill"}}]"#
    ));
    assert!(!large(
        r#"[{"resize": {"width": 16384, "height": 100, "fit": "fill"}}]"#
    ));
}

fn any_step() -> impl Strategy<Value = Step> {
    let side = || 1u32..=16_384;
    let share = || 0.0..=1.0f64;
    let focus = move || proptest::option::of((share(), share()).prop_map(|(x, y)| Focus { x, y }));
    let gravity = || {
        use Gravity::*;
        let all = vec![
            Center, North, NorthEast, East, SouthEast, South, SouthWest, West, NorthWest,
        ];
        proptest::option::of(proptest::sample::select(all))
    };
    let fit = proptest::sample::select(vec![Fit::Contain, Fit::Cover, Fit::Fill, Fit::Inside]);
    let resize = (
        proptest::option::of(side()),
        proptest::option::of(side()),
        fit,
        gravity(),
        focus(),
    )
        .prop_map(|(width, height, fit, gravity, focus)| Resize {
            width,
            height,
            fit,
            gravity,
            focus,
        })
        .prop_map(|resize| Step {
            resize: Some(resize),
            ..Step::default()
        });
    let corner = proptest::option::of((0u32..=20_000, 0u32..=20_000));
    let crop = (1u32..=65_535, 1u32..=65_535, corner, gravity(), focus())
        .prop_map(|(width, height, corner, gravity, focus)| Crop {
            width,
            height,
            x: corner.map(|corner| corner.0),
            y: corner.map(|corner| corner.1),
            gravity,
            focus,
        })
        .prop_map(|crop| Step {
            crop: Some(crop),
            ..Step::default()
        });
    prop_oneof![resize, crop]
}

proptest! {
    #[test]
    fn any_steps_give_samplings_within_their_source_or_an_error(
        width in 1u32..=65_535,
        height in 1u32..=65_535,
        steps in proptest::collection::vec(any_step(), 0..6),
    ) {
        let mut source = Size::new(width, height);
        if let Ok(plan) = Plan::new(source, &steps, u64::MAX) {
            for sample in plan.samples {
                prop_assert_eq!(sample.source, source);
                let inside = |inner: Rect, outer: Rect| {
                    let slack = 1e-6 * outer.width.max(outer.height);
                    inner.x >= outer.x - slack
                        && inner.y >= outer.y - slack
                        && inner.x + inner.width <= outer.x + outer.width + slack
                        && inner.y + inner.height <= outer.y + outer.height + slack
                };
                prop_assert!(inside(sample.area, sample.region) && inside(sample.region, Rect::all(source)));
                prop_assert!(sample.area.width > 0.0 && sample.area.height > 0.0);
                prop_assert!(sample.output.width >= 1 && sample.output.height >= 1);
                source = sample.output;
            }
        }
    }

    #[test]
    fn contain_and_inside_fit_the_box_and_keep_the_aspect_within_a_pixel(
        width in 1u32..=20_000,
        height in 1u32..=20_000,
        box_width in 1u32..=16_384,
        box_height in 1u32..=16_384,
        inside in any::<bool>(),
    ) {
        let fit = if inside { Fit::Inside } else { Fit::Contain };
        let resize = Resize { width: Some(box_width), height: Some(box_height), fit, ..Resize::default() };
        let step = Step { resize: Some(resize), ..Step::default() };
        let size = Plan::new(Size::new(width, height), &[step], u64::MAX).unwrap().output();
        prop_assert!(size.width <= box_width && size.height <= box_height);
        prop_assert!(!inside || size.width <= width && size.height <= height);
        let scale = (f64::from(box_width) / f64::from(width)).min(f64::from(box_height) / f64::from(height));
        let scale = if inside { scale.min(1.0) } else { scale };
        prop_assert!((f64::from(size.width) - scale * f64::from(width)).abs() <= 1.0);
        prop_assert!((f64::from(size.height) - scale * f64::from(height)).abs() <= 1.0);
        prop_assert!(inside || size.width == box_width || size.height == box_height);
    }

    #[test]
    fn cover_keeps_the_aspect(
        width in 1u32..=20_000,
        height in 1u32..=20_000,
        box_width in 1u32..=16_384,
        box_height in 1u32..=16_384,
    ) {
        let resize =
            Resize { width: Some(box_width), height: Some(box_height), fit: Fit::Cover, ..Resize::default() };
        let step = Step { resize: Some(resize), ..Step::default() };
        let plan = Plan::new(Size::new(width, height), &[step], u64::MAX).unwrap();
        let area = plan.samples[0].area;
        let aspect = area.width / area.height * f64::from(box_height) / f64::from(box_width);
        prop_assert!((aspect - 1.0).abs() < 1e-6);
    }
}
