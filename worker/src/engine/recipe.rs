//! The recipe hash: what decides a rendition's bytes, given those of its source.
use collodion_crds::{Encode, Rendition, Step};
use sha2::{Digest, Sha256};

/// Version of the engine's output. It is raised by every change that alters the bytes of any rendition.
pub const ENGINE_VERSION: u32 = 1;

/// A stable hash of a rendition's canonical form and the engine's output version, in hex. The rendition's name is no
/// part of it: the same source bytes and the same recipe hash give the same output bytes, whatever they are called.
pub fn recipe_hash(rendition: &Rendition) -> String {
    #[derive(serde::Serialize)]
    struct Recipe<'a> {
        engine: u32,
        steps: &'a [Step],
        encode: &'a Encode,
    }
    let Rendition { name: _, steps, encode } = rendition;
    let json = serde_json::to_vec(&Recipe {
        engine: ENGINE_VERSION,
        steps,
        encode,
    })
    .expect("a rendition has string keys and finite numbers");
    Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendition(json: &str) -> Rendition {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_hash_is_the_same_for_defaults_written_out_and_for_another_name() {
        let short = rendition(r#"{"name": "a", "steps": [{"resize": {"width": 10}}]}"#);
        let long = rendition(
            r#"{"name": "b", "steps": [{"resize": {"fit": "contain", "width": 10}}], "encode": {"quality": 80, "format": "auto"}}"#,
        );
        assert_eq!(recipe_hash(&short), recipe_hash(&long));
        assert_eq!(recipe_hash(&short).len(), 64);
    }

    #[test]
    fn the_hash_differs_for_another_step_order_or_quality() {
        let base = r#"{"name": "a", "steps": [{"resize": {"width": 10}}, {"crop": {"width": 5, "height": 5}}]}"#;
        let swapped = r#"{"name": "a", "steps": [{"crop": {"width": 5, "height": 5}}, {"resize": {"width": 10}}]}"#;
        let quality = base.replace("]}", r#"], "encode": {"quality": 81}}"#);
        let hashes = [base, swapped, &quality].map(|json| recipe_hash(&rendition(json)));
        assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2] && hashes[1] != hashes[2]);
    }

    #[test]
    fn the_hash_of_a_rendition_never_changes_by_accident() {
        let thumb = rendition(
            r#"{"name": "thumb", "steps": [{"resize": {"width": 320, "height": 320, "fit": "cover"}}], "encode": {"format": "webp", "quality": 80}}"#,
        );
        assert_eq!(
            recipe_hash(&thumb),
            "a3ba4dfd1ca32d63da16d80f236c5a27bc86c24b5ecfdd32a072a54c461e4a87"
        );
    }
}
