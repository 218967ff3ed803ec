//! The checked-in CustomResourceDefinitions are the ones that the types make.

use std::{fs, path::Path};

#[test]
fn the_yaml_is_what_the_types_make() {
    for (name, yaml) in collodion_crds::manifests() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml").join(name);
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == yaml, "{} is out of date: run `make generate`", path.display());
    }
}

#[test]
fn everything_in_the_spec_is_documented() {
    fn walk(path: &str, schema: &serde_json::Value, undocumented: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, property) in properties {
                let path = format!("{path}.{name}");
                if property["description"].as_str().is_none_or(str::is_empty) {
                    undocumented.push(path.clone());
                }
                walk(&path, property, undocumented);
            }
        }
        if schema["items"].is_object() {
            walk(&format!("{path}[]"), &schema["items"], undocumented);
        }
    }
    let mut undocumented = Vec::new();
    walk("spec", &spec_schema(), &mut undocumented);
    assert!(undocumented.is_empty(), "no description: {undocumented:#?}");
}

#[test]
fn everything_of_our_own_in_the_spec_is_bounded() {
    /// Kubernetes' own types are passed on as they are and no rule looks into them.
    const FOREIGN: [&str; 4] = ["affinity", "tolerations", "resources", "imagePullSecrets"];
    fn walk(path: &str, schema: &serde_json::Value, unbounded: &mut Vec<String>) {
        let bounded = |key: &str| schema[key].is_number() || schema["enum"].is_array();
        let fine = match schema["type"].as_str() {
            Some("string") => bounded("maxLength"),
            Some("array") => bounded("maxItems"),
            Some("object") => schema["properties"].is_object() || bounded("maxProperties"),
            _ => schema["x-kubernetes-int-or-string"] != true || bounded("maxLength"),
        };
        if !fine {
            unbounded.push(path.to_owned());
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if FOREIGN.contains(&name.as_str()) {
                continue;
            }
            walk(&format!("{path}.{name}"), property, unbounded);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                walk(&format!("{path}[]"), &schema[inner], unbounded);
            }
        }
    }
    let mut unbounded = Vec::new();
    walk("spec", &spec_schema(), &mut unbounded);
    assert!(unbounded.is_empty(), "no bound: {unbounded:#?}");
}

fn spec_schema() -> serde_json::Value {
    use kube::CustomResourceExt;
    let crd =
        serde_json::to_value(collodion_crds::ImageJob::crd()).expect("a CustomResourceDefinition serializes to JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}
