//! The chart carries the CustomResourceDefinitions that are generated from the types.

use std::{fs, path::Path};

#[test]
fn the_chart_has_the_generated_crds() {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/collodion/files/crds");
    for (name, generated) in collodion_crds::manifests() {
        let packed = fs::read_to_string(chart.join(name)).unwrap_or_default();
        assert!(
            packed == generated,
            "charts/collodion/files/crds/{name} is not the generated one: run `make generate`"
        );
    }
}
