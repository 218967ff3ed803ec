//! Keys of outputs, made from the keys of images by a template.

/// Fills `{dir}`, `{name}`, `{stem}`, `{rendition}` and `{ext}` of a template.
///
/// An image at the top has no folder: the slash of `{dir}/` then goes with it, and only then, so that images of
/// different folders never meet, whatever slashes their keys begin with. A name that begins with its only dot is all
/// stem.
pub(super) fn expand(template: &str, key: &str, rendition: &str, extension: &str) -> String {
    let (folder, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(folder, name)| (Some(folder), name));
    let stem = name
        .rsplit_once('.')
        .map(|(stem, _)| stem)
        .filter(|stem| !stem.is_empty())
        .unwrap_or(name);
    let mut output = String::with_capacity(template.len() + key.len());
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        output.push_str(text);
        let Some((placeholder, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        rest = after;
        match placeholder {
            "dir" => match folder {
                Some(folder) => output.push_str(folder),
                None => rest = rest.strip_prefix('/').unwrap_or(rest),
            },
            "name" => output.push_str(name),
            "stem" => output.push_str(stem),
            "rendition" => output.push_str(rendition),
            _ => output.push_str(extension),
        }
    }
    output + rest
}

/// The extension of a key's file name, without the dot.
pub(super) fn extension(key: &str) -> Option<&str> {
    let name = key.rsplit('/').next()?;
    name.rsplit_once('.')
        .filter(|(stem, _)| !stem.is_empty())
        .map(|(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEFAULT: &str = "{dir}/{name}.{rendition}.{ext}";

    #[test]
    fn placeholders_are_filled_from_the_image() {
        for (template, key, output) in [
            (DEFAULT, "2025/05/a.jpg", "2025/05/a.jpg.thumb.webp"),
            (DEFAULT, "a.jpg", "a.jpg.thumb.webp"),
            (DEFAULT, "/a.jpg", "/a.jpg.thumb.webp"),
            (DEFAULT, "a//b.jpg", "a//b.jpg.thumb.webp"),
            ("{rendition}/{dir}/{stem}.{ext}", "x/a.b.jpg", "thumb/x/a.b.webp"),
            ("{rendition}/{dir}/{stem}.{ext}", "a.jpg", "thumb/a.webp"),
            ("{dir}-{stem}", "a", "-a"),
            ("{stem}.{ext}", ".hidden", ".hidden.webp"),
            ("{name}", "{dir}/{ext}", "{ext}"),
        ] {
            assert_eq!(expand(template, key, "thumb", "webp"), output, "{template} {key}");
        }
    }

    #[test]
    fn an_extension_is_what_follows_the_last_dot_of_the_name() {
        assert_eq!(extension("a.b/c.JPG"), Some("JPG"));
        assert_eq!(extension("a.b/c"), None);
        assert_eq!(extension("a/.jpg"), None);
    }

    proptest! {
        #[test]
        fn the_default_template_keeps_images_and_renditions_apart(
            a in "[a./]{1,6}", b in "[a./]{1,6}", r in "[a-b]{1,2}", s in "[a-b]{1,2}",
        ) {
            let same = expand(DEFAULT, &a, &r, "webp") == expand(DEFAULT, &b, &s, "webp");
            prop_assert_eq!(same, a == b && r == s);
        }
    }
}
