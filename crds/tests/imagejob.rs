//! What `kubectl apply` says to an ImageJob: the rules of its schema, evaluated as the API server does.

use collodion_crds::{ImageJob, LOCATION_MESSAGE};
use serde_json::{Value, json};

const EXAMPLE: &str = include_str!("../../examples/imagejob.yaml");

#[test]
fn the_example_is_accepted() {
    assert_eq!(complaints(&example()), Vec::<String>::new());
}

#[test]
fn mistakes_are_refused_with_a_sentence() {
    let cases: Vec<(&str, Value, &str)> = vec![
        ("/metadata/name", json!("a".repeat(41)), "at most 40 characters"),
        ("/metadata/name", json!("backfill.2025"), "has no dots"),
        ("/spec/input/location", json!("file:///etc/"), LOCATION_MESSAGE),
        ("/spec/input/location", json!("photos/2025"), LOCATION_MESSAGE),
        ("/spec/input/location", json!("s3://Photos/"), LOCATION_MESSAGE),
        (
            "/spec/input/location",
            json!("s3://renditions/web/2025/"),
            "outputs are never inputs",
        ),
        (
            "/spec/input/location",
            json!("s3://renditions/web"),
            "outputs are never inputs",
        ),
        (
            "/spec/storage/endpoint",
            json!("s3.example.com"),
            "write the endpoint as",
        ),
        ("/spec/output/key", json!("{name}.{ext}"), "has to contain {rendition}"),
        (
            "/spec/output/key",
            json!("{rendition}.{ext}"),
            "has to contain {name} or {stem}",
        ),
        (
            "/spec/output/key",
            json!("{nome}{name}.{rendition}"),
            "knows the placeholders",
        ),
        (
            "/spec/output/key",
            json!("_collodion/{name}.{rendition}"),
            "outside _collodion/",
        ),
        ("/spec/renditions/0/steps/0", json!({}), "exactly one operation"),
        (
            "/spec/renditions/0/steps/0/crop",
            json!({"width": 1, "height": 1}),
            "exactly one operation",
        ),
        (
            "/spec/renditions/0/steps/0/resize",
            json!({"fit": "inside"}),
            "give a width, a height or both",
        ),
        (
            "/spec/renditions/0/steps/0/resize",
            json!({"width": 9, "fit": "cover"}),
            "need both a width and a height",
        ),
        (
            "/spec/renditions/0/steps/0/resize",
            json!({"width": 9, "gravity": "north"}),
            "say what cover keeps",
        ),
        (
            "/spec/renditions/0/steps/0/resize",
            json!({"width": 9, "height": 9, "fit": "cover", "gravity": "north", "focus": {"x": 0, "y": 1}}),
            "a gravity or a focus, not both",
        ),
        (
            "/spec/renditions/0/steps/0",
            json!({"crop": {"width": 1, "height": 1, "x": 1}}),
            "give x and y together",
        ),
        (
            "/spec/renditions/0/steps/0",
            json!({"crop": {"width": 1, "height": 1, "x": 1, "y": 1, "gravity": "east"}}),
            "place a crop by one of",
        ),
    ];
    for (pointer, value, sentence) in cases {
        let mut job = example();
        set(&mut job, pointer, value.clone());
        let complaints = complaints(&job);
        assert!(
            complaints.iter().any(|c| c.contains(sentence)),
            "{pointer} = {value}: {complaints:?}"
        );
    }
}

#[test]
fn a_folder_beside_the_outputs_may_be_the_input() {
    let mut job = example();
    set(
        &mut job,
        "/spec/input/location",
        json!("s3://renditions/web-originals/"),
    );
    assert_eq!(complaints(&job), Vec::<String>::new());
}

#[test]
fn only_suspend_and_parallelism_can_be_changed() {
    for (pointer, value) in [("/spec/suspend", json!(true)), ("/spec/parallelism", json!(7))] {
        assert_eq!(
            complaints_about_change(pointer, value),
            Vec::<String>::new(),
            "{pointer}"
        );
    }
    for (pointer, value) in [
        ("/spec/storage/region", json!("eu-central-1")),
        ("/spec/input/include", json!(["**/*.jpg"])),
        ("/spec/output/existing", json!("Overwrite")),
        ("/spec/renditions/1/encode/quality", json!(81)),
        ("/spec/limits/pixels", json!("10M")),
        ("/spec/shard/objects", json!(1)),
        ("/spec/failurePolicy/maxFailed", json!("2%")),
        ("/spec/activeDeadlineSeconds", json!(60)),
        ("/spec/ttlSecondsAfterFinished", json!(60)),
        ("/spec/worker/priorityClassName", json!("low")),
    ] {
        let complaints = complaints_about_change(pointer, value);
        assert!(
            complaints.iter().any(|c| c.contains("only suspend and parallelism")),
            "{pointer}: {complaints:?}"
        );
    }
}

#[test]
fn what_is_immutable_cannot_be_removed() {
    let old = example();
    let mut new = old.clone();
    new["spec"].as_object_mut().unwrap().remove("storage");
    let complaints = complaints_of(typed(&new).validate_cel_update(&typed(&old)));
    assert!(
        complaints.iter().any(|c| c.contains("only suspend and parallelism")),
        "{complaints:?}"
    );
}

fn example() -> Value {
    serde_saphyr::from_str(EXAMPLE).expect("the example is YAML")
}

fn typed(job: &Value) -> ImageJob {
    serde_json::from_value(job.clone()).unwrap_or_else(|e| panic!("{e}: {job}"))
}

fn complaints(job: &Value) -> Vec<String> {
    complaints_of(typed(job).validate_cel())
}

fn complaints_about_change(pointer: &str, value: Value) -> Vec<String> {
    let old = example();
    let mut new = old.clone();
    set(&mut new, pointer, value);
    complaints_of(typed(&new).validate_cel_update(&typed(&old)))
}

fn complaints_of(result: Result<(), kube::core::cel::ValidationErrors>) -> Vec<String> {
    result
        .err()
        .into_iter()
        .flat_map(|errors| errors.into_iter().map(|e| e.to_string()))
        .collect()
}

/// Sets the value at a JSON pointer, making what lies on the way.
fn set(job: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    if job.pointer(parent).is_none() {
        set(job, parent, json!({}));
    }
    match job.pointer_mut(parent).expect("the parent was made") {
        Value::Array(items) => items[key.parse::<usize>().expect("an index is a number")] = value,
        other => other[key] = value,
    }
}
