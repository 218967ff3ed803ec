//! The same source and recipe give the same bytes, however they come about.
use collodion::engine::{render, render_all};
use collodion_crds::Rendition;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{CpuExtensions, PixelType, ResizeOptions, Resizer};

use super::support::{LIMITS, photo, pixels, rendition};

fn renditions() -> Vec<Rendition> {
    [
        (r#"[{"resize": {"width": 40}}]"#, "{}"),
        (r#"[{"resize": {"width": 300}}]"#, r#"{"format": "jpeg"}"#),
        (
            r#"[{"resize": {"width": 120, "height": 77, "fit": "cover"}}]"#,
            r#"{"format": "webp"}"#,
        ),
        (r#"[{"resize": {"width": 700}}]"#, r#"{"format": "webp"}"#),
        (
            r#"[{"crop": {"width": 33, "height": 33, "x": 7, "y": 9}}]"#,
            r#"{"format": "png"}"#,
        ),
        (r#"[]"#, r#"{"format": "jpeg"}"#),
    ]
    .map(|(steps, encode)| rendition(steps, encode))
    .to_vec()
}

#[test]
fn a_rendition_has_the_same_bytes_alone_and_among_others() {
    for name in ["eye.jpg", "coffee.jpg", "cup.png", "gravel.webp", "space/rocket.jpg"] {
        let source = photo(name);
        let all = render_all(&source, &renditions(), &LIMITS).unwrap();
        for (rendition, among_others) in renditions().iter().zip(all) {
            let alone = render(&source, rendition, &LIMITS).unwrap();
            assert!(
                among_others.as_ref() == Ok(&alone),
                "{name} differs for {:?}",
                rendition.steps
            );
        }
    }
}

#[test]
fn a_rendition_has_the_same_bytes_on_every_thread() {
    let source = photo("space/rocket.jpg");
    let first = render_all(&source, &renditions(), &LIMITS).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| render_all(&source, &renditions(), &LIMITS).unwrap()))
            .collect();
        for thread in threads {
            assert!(thread.join().unwrap() == first);
        }
    });
}

#[test]
fn resampling_gives_the_same_bytes_whatever_the_processor_can_do() {
    let cup = pixels(&photo("cup.png"));
    let (all_channels, size) = (&cup.data, (cup.width, cup.height));
    for (channels, pixel_type) in [
        (1, PixelType::U8),
        (2, PixelType::U8x2),
        (3, PixelType::U8x3),
        (4, PixelType::U8x4),
    ] {
        let kept = |pixel: &[u8]| pixel[4 - channels..].to_vec();
        let data: Vec<u8> = all_channels.chunks_exact(4).flat_map(kept).collect();
        for target in [(97, 61), (1, 300), (640, 533)] {
            let mut results = vec![];
            for extensions in extensions() {
                let source = ImageRef::new(size.0, size.1, &data, pixel_type).unwrap();
                let mut output = Image::new(target.0, target.1, pixel_type);
                let options = ResizeOptions::new().crop(3.3, 4.4, 400.2, 380.9);
                resizer(extensions).resize(&source, &mut output, &options).unwrap();
                results.push(output.into_vec());
            }
            assert!(results.len() > 1, "there is nothing to compare on this processor");
            for result in &results[1..] {
                let off = result
                    .iter()
                    .zip(&results[0])
                    .map(|(one, other)| one.abs_diff(*other))
                    .max();
                assert_eq!(off, Some(0), "{channels} channels to {target:?}");
            }
        }
    }
}

fn extensions() -> Vec<CpuExtensions> {
    #[cfg(target_arch = "x86_64")]
    let all = [CpuExtensions::None, CpuExtensions::Sse4_1, CpuExtensions::Avx2];
    #[cfg(target_arch = "aarch64")]
    let all = [CpuExtensions::None, CpuExtensions::Neon];
    all.into_iter().filter(|extensions| extensions.is_supported()).collect()
}

#[allow(
    unsafe_code,
    reason = "the library trusts its caller to set only what the processor has"
)]
fn resizer(extensions: CpuExtensions) -> Resizer {
    let mut resizer = Resizer::new();
    // SAFETY: the processor was asked for these extensions.
    unsafe { resizer.set_cpu_extensions(extensions) };
    resizer
}
