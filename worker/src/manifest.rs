//! Reads an ImageJob from YAML as strictly as a cluster would and more: unknown fields are errors, every problem is
//! named with its field's path and what to write instead. The schema and its rules are the very ones that the API
//! server holds manifests against, with one exception: here, locations may be `file://`.

use std::{env, fmt, io, path};

use collodion_crds::{ImageJob, LOCATION_MESSAGE, Location};
use kube::CustomResourceExt;
use serde_json::Value;

/// What the command line puts in place of a manifest's own values.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// In place of `spec.input.location`.
    pub input: Option<Location>,
    /// In place of `spec.output.location`.
    pub output: Option<Location>,
}

/// Why a manifest can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The text is no YAML.
    #[error("not readable as YAML: {0}")]
    Yaml(String),
    /// The text holds no ImageJob, or several.
    #[error("expected one document with kind: ImageJob, found {0}")]
    Count(usize),
    /// The ImageJob breaks rules; one line for each.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, as `spec.renditions[0].encode.quality`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Reads the one ImageJob in a YAML text of one or more documents. Defaults are filled in.
///
/// # Errors
/// Fails on text that is no YAML, on any number of ImageJobs but one, and on an ImageJob that the API server would
/// refuse or that has unknown fields.
pub fn load(text: &str, overrides: &Overrides) -> Result<ImageJob, ManifestError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|e| ManifestError::Yaml(e.to_string()))?;
    let jobs: Vec<Value> = documents.into_iter().filter(|d| d["kind"] == "ImageJob").collect();
    let [mut job] = <[Value; 1]>::try_from(jobs).map_err(|jobs| ManifestError::Count(jobs.len()))?;
    remove_nulls(&mut job);
    for (field, location) in [("input", &overrides.input), ("output", &overrides.output)] {
        let object = job
            .pointer_mut(&format!("/spec/{field}"))
            .and_then(Value::as_object_mut);
        if let (Some(location), Some(object)) = (location, object) {
            object.insert("location".to_owned(), location.as_str().into());
        }
    }
    check(&job)
}

/// The location that a command line argument means: a URI as it is, anything else as a path.
///
/// # Errors
/// Fails where a relative path can't be made absolute, for want of a current folder.
pub fn location_from_argument(argument: &str) -> io::Result<Location> {
    if argument.contains("://") {
        return Ok(Location::new(argument));
    }
    let absolute = path::absolute(env::current_dir()?.join(argument))?;
    let text = absolute
        .to_str()
        .ok_or_else(|| io::Error::other("the path is not UTF-8"))?;
    Ok(Location::new(format!("file://{text}")))
}

fn check(job: &Value) -> Result<ImageJob, ManifestError> {
    let schema = schema();
    let mut problems = Vec::new();
    check_head(job, &mut problems);
    find_unknown("", job, &schema, &mut problems);
    find_mistyped(job, &schema, &mut problems);
    if !problems.is_empty() {
        return Err(ManifestError::Invalid(problems));
    }
    let typed: ImageJob = serde_path_to_error::deserialize(job).map_err(|e| {
        ManifestError::Invalid(vec![Problem {
            path: e.path().to_string(),
            message: e.inner().to_string(),
        }])
    })?;
    if let Err(broken) = typed.validate_cel() {
        problems.extend(
            broken
                .into_iter()
                .filter(|e| !allowed_here(job, &e.field_path, &e.message))
                .map(|e| Problem {
                    path: e.field_path,
                    message: e.message,
                }),
        );
    }
    if problems.is_empty() {
        Ok(typed)
    } else {
        Err(ManifestError::Invalid(problems))
    }
}

/// The schema of an ImageJob, as its CustomResourceDefinition has it.
fn schema() -> Value {
    let crd = serde_json::to_value(ImageJob::crd()).expect("a CustomResourceDefinition is JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// What the schema of a custom resource leaves to the API server: its head.
fn check_head(job: &Value, problems: &mut Vec<Problem>) {
    let mut problem = |path: &str, message: &str| {
        problems.push(Problem {
            path: path.to_owned(),
            message: message.to_owned(),
        });
    };
    if job["apiVersion"] != "collodion.dev/v1alpha1" {
        problem("apiVersion", "write collodion.dev/v1alpha1");
    }
    if job["metadata"]["name"].as_str().is_none_or(str::is_empty) {
        problem("metadata.name", "give the job a name");
    }
}

/// Fields that the schema doesn't know, with the nearest one that it does.
fn find_unknown(path: &str, value: &Value, schema: &Value, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(fields) => {
            let Some(known) = schema["properties"].as_object() else {
                return;
            };
            for (name, value) in fields {
                let path = join(path, name);
                let head = path == *name && ["apiVersion", "kind", "metadata"].contains(&name.as_str());
                match known.get(name) {
                    Some(schema) => find_unknown(&path, value, schema, problems),
                    None if head => {}
                    None => problems.push(Problem {
                        message: unknown_field(name, known.keys()),
                        path,
                    }),
                }
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                find_unknown(&format!("{path}[{i}]"), item, &schema["items"], problems);
            }
        }
        _ => {}
    }
}

fn unknown_field<'a>(name: &str, known: impl Iterator<Item = &'a String> + Clone) -> String {
    /// Below this likeness (1 is equal), another name is no help.
    const LIKE: f64 = 0.8;
    let nearest = known
        .clone()
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, nearest)) if likeness >= LIKE => format!("unknown field: did you mean {nearest}?"),
        _ => format!(
            "unknown field: known are {}",
            known.map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Values that the schema doesn't allow, with the field's description.
fn find_mistyped(job: &Value, schema: &Value, problems: &mut Vec<Problem>) {
    let validator = jsonschema::draft202012::new(schema).expect("the schema of a custom resource is a JSON Schema");
    for error in validator.iter_errors(job) {
        let pointer = error.instance_path().to_string();
        let description = description_at(schema, &pointer)
            .map(|d| format!(" ({d})"))
            .unwrap_or_default();
        problems.push(Problem {
            path: dotted(&pointer),
            message: format!("{error}{description}"),
        });
    }
}

/// The first sentence of the description of the field at a JSON pointer.
fn description_at<'a>(schema: &'a Value, pointer: &str) -> Option<&'a str> {
    let field = pointer.split('/').skip(1).try_fold(schema, |schema, name| {
        let inner = if schema["items"].is_object() {
            &schema["items"]
        } else {
            &schema["properties"][name]
        };
        inner.is_object().then_some(inner)
    })?;
    let description = field["description"].as_str()?;
    Some(
        description
            .split(". ")
            .next()
            .unwrap_or(description)
            .trim_end_matches('.'),
    )
}

/// Whether a broken rule is the one that the command line leaves out.
fn allowed_here(job: &Value, field_path: &str, message: &str) -> bool {
    let pointer = format!("/{}", field_path.replace('.', "/"));
    let value = job.pointer(&pointer).and_then(Value::as_str).unwrap_or_default();
    message == LOCATION_MESSAGE && value.starts_with("file:///")
}

/// A field that is null is a field left out, as for the API server.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, v| !v.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// `/spec/renditions/0/name` as `spec.renditions[0].name`.
fn dotted(pointer: &str) -> String {
    pointer
        .split('/')
        .skip(1)
        .fold(String::new(), |path, part| match part.parse::<usize>() {
            Ok(i) => format!("{path}[{i}]"),
            Err(_) => join(&path, part),
        })
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../examples/imagejob.yaml");

    fn problems(text: &str) -> Vec<String> {
        match load(text, &Overrides::default()) {
            Err(ManifestError::Invalid(problems)) => problems.iter().map(Problem::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_example_loads_with_its_defaults() {
        let job = load(EXAMPLE, &Overrides::default()).unwrap();
        assert_eq!(job.spec.renditions.len(), 2);
        assert_eq!(job.spec.limits.pixels.get(), 100_000_000);
    }

    #[test]
    fn every_problem_is_named_with_its_path_and_the_remedy() {
        let text = EXAMPLE
            .replace("height: 320, fit: cover", "heigth: 320, fit: covr")
            .replace("quality: 80", "quality: 101")
            .replace("name: page", "name: Page")
            .replace("parallelism: 3", "parallelism: three");
        let problems = problems(&text);
        for expected in [
            "spec.renditions[0].steps[0].resize.heigth: unknown field: did you mean height?",
            "spec.renditions[0].steps[0].resize.fit: \"covr\" is not one of",
            "spec.renditions[0].encode.quality: 101 is greater than the maximum of 100",
            "spec.renditions[1].name: \"Page\" does not match",
            "lower-case letters, digits and dashes",
            "spec.parallelism: \"three\" is not of type \"integer\"",
        ] {
            assert!(
                problems.iter().any(|p| p.contains(expected)),
                "{expected}: {problems:#?}"
            );
        }
    }

    #[test]
    fn rules_are_those_of_the_cluster() {
        let problems = problems(&EXAMPLE.replace(".{rendition}", ""));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("spec: with several renditions"), "{problems:?}");
    }

    #[test]
    fn a_missing_part_is_asked_for() {
        let text = "apiVersion: collodion.dev/v1alpha1\nkind: ImageJob\nmetadata: {name: a}\nspec:\n  input: {}\n";
        let problems = problems(text);
        for expected in [
            "\"output\" is a required",
            "\"renditions\" is a required",
            "spec.input: \"location\" is a",
        ] {
            assert!(
                problems.iter().any(|p| p.contains(expected)),
                "{expected}: {problems:#?}"
            );
        }
    }

    #[test]
    fn a_tolerance_that_is_a_fraction_is_refused() {
        let problems = problems(&EXAMPLE.replace("maxFailed: 1%", "maxFailed: 0.5"));
        assert!(
            problems[0].starts_with("spec.failurePolicy.maxFailed: "),
            "{problems:?}"
        );
    }

    #[test]
    fn file_locations_are_for_the_command_line_alone() {
        let overrides = Overrides {
            input: Some(Location::new("file:///photos/")),
            output: Some(Location::new("file:///renditions/")),
        };
        assert_eq!(
            load(EXAMPLE, &overrides).unwrap().spec.input.location.as_str(),
            "file:///photos/"
        );
        let overrides = Overrides {
            input: Some(Location::new("ftp://photos/")),
            ..Overrides::default()
        };
        assert!(
            load(EXAMPLE, &overrides)
                .unwrap_err()
                .to_string()
                .contains("spec.input.location: write a location")
        );
    }

    #[test]
    fn outputs_are_never_inputs_on_a_disk_either() {
        let overrides = Overrides {
            input: Some(Location::new("file:///a/b")),
            output: Some(Location::new("file:///a/")),
        };
        assert!(
            load(EXAMPLE, &overrides)
                .unwrap_err()
                .to_string()
                .contains("outputs are never inputs")
        );
    }

    #[test]
    fn other_documents_of_the_file_are_passed_over() {
        let text = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n---\n{EXAMPLE}");
        assert!(load(&text, &Overrides::default()).is_ok());
        assert!(matches!(
            load(&format!("{EXAMPLE}\n---\n{EXAMPLE}"), &Overrides::default()),
            Err(ManifestError::Count(2))
        ));
        assert!(matches!(
            load("kind: Pod", &Overrides::default()),
            Err(ManifestError::Count(0))
        ));
        assert!(matches!(
            load("a: [", &Overrides::default()),
            Err(ManifestError::Yaml(_))
        ));
    }

    #[test]
    fn a_null_is_a_field_left_out() {
        let text = EXAMPLE.replace("parallelism: 3", "parallelism:\n  limits: null");
        assert_eq!(load(&text, &Overrides::default()).unwrap().spec.parallelism, 4);
    }

    #[test]
    fn an_argument_is_a_uri_or_a_path() {
        assert_eq!(location_from_argument("s3://a-b/c").unwrap().as_str(), "s3://a-b/c");
        assert_eq!(location_from_argument("/a/b/").unwrap().as_str(), "file:///a/b/");
        assert!(location_from_argument("a").unwrap().as_str().starts_with("file:///"));
    }
}
