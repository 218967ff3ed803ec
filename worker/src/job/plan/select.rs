//! Which of the listed objects are a job's images.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::{
    job::{Job, PhaseError, layout::is_reserved},
    storage::Entry,
};

/// What a job takes as its images.
pub(super) struct Selection {
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// Folder of the outputs, where they lie inside of the input.
    outputs: Option<String>,
}

impl Selection {
    pub(super) fn new(job: &Job) -> Result<Self, PhaseError> {
        if job.output.key_of(&job.input).is_some() {
            let message = format!(
                "outputs are never inputs: {} holds {}; give spec.output.location a folder of its own",
                job.output.uri(""),
                job.input.uri("")
            );
            return Err(PhaseError::refused("OutputHoldsInput", message));
        }
        let input = &job.spec.input;
        Ok(Self {
            include: if input.include.is_empty() {
                None
            } else {
                Some(globs("include", &input.include)?)
            },
            exclude: globs("exclude", &input.exclude)?,
            outputs: job.input.key_of(&job.output),
        })
    }

    /// Whether an object is an image of the job. Folder markers, outputs and the files of jobs are not.
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        let Self {
            include,
            exclude,
            outputs,
        } = self;
        let key = entry.key.as_str();
        let marker = entry.size == 0 && key.ends_with('/');
        let output = outputs.as_ref().is_some_and(|folder| key.starts_with(folder));
        !marker
            && !output
            && !is_reserved(key)
            && include.as_ref().is_none_or(|globs| globs.is_match(key))
            && !exclude.is_match(key)
    }

    /// The refusal of a job without images.
    pub(super) fn nothing_found(&self, job: &Job) -> PhaseError {
        let input = &job.spec.input;
        let mut message = format!("there is no image under {}", job.input.uri(""));
        for (field, globs) in [("include", &input.include), ("exclude", &input.exclude)] {
            if !globs.is_empty() {
                message += &format!(" with {field} {globs:?}");
            }
        }
        PhaseError::refused("NoInput", message)
    }
}

/// `*` and `?` within a folder, `**` across folders.
fn globs(field: &str, patterns: &[String]) -> Result<GlobSet, PhaseError> {
    let invalid = |error: globset::Error| {
        PhaseError::refused("InvalidGlob", format!("spec.input.{field} is not usable: {error}"))
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(
            GlobBuilder::new(pattern)
                .literal_separator(true)
                .build()
                .map_err(invalid)?,
        );
    }
    set.build().map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(include: &[&str], exclude: &[&str], outputs: Option<&str>) -> Vec<&'static str> {
        let owned = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
        let selection = Selection {
            include: (!include.is_empty()).then(|| globs("include", &owned(include)).unwrap()),
            exclude: globs("exclude", &owned(exclude)).unwrap(),
            outputs: outputs.map(str::to_owned),
        };
        [
            "a.jpg",
            "d/",
            "d/b.jpg",
            "d/e/c.JPG",
            "d/e/f.png",
            "d/out/g.jpg",
            "x/_collodion/h.jpg",
        ]
        .into_iter()
        .filter(|key| {
            selection.takes(&Entry {
                key: (*key).into(),
                size: 0,
                etag: String::new(),
            })
        })
        .collect()
    }

    #[test]
    fn globs_know_folders() {
        assert_eq!(taken(&["*.jpg"], &[], None), ["a.jpg"]);
        assert_eq!(taken(&["**/*.jpg"], &[], None), ["a.jpg", "d/b.jpg", "d/out/g.jpg"]);
        assert_eq!(
            taken(&["d/**"], &["**/*.png"], None),
            ["d/b.jpg", "d/e/c.JPG", "d/out/g.jpg"]
        );
        assert_eq!(
            taken(&["**/*.{jpg,JPG}"], &["d/out/**"], None),
            ["a.jpg", "d/b.jpg", "d/e/c.JPG"]
        );
    }

    #[test]
    fn markers_outputs_and_the_files_of_jobs_are_no_images() {
        assert_eq!(
            taken(&[], &[], Some("d/out/")),
            ["a.jpg", "d/b.jpg", "d/e/c.JPG", "d/e/f.png"]
        );
    }

    #[test]
    fn a_broken_glob_is_refused_by_its_field() {
        let error = globs("include", &["a{b".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("spec.input.include is not usable"), "{error}");
    }
}
