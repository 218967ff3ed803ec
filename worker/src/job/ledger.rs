//! The ledger: an output's own metadata says which job made it, from what and how. What is found there decides what
//! is done, so that nothing is lost and nothing made twice.

use std::collections::BTreeMap;

use collodion_crds::Existing;

use crate::{digest::sha256_hex, storage::Head};

const JOB: &str = "collodion-job";
const SOURCE: &str = "collodion-source";
const SOURCE_ETAG: &str = "collodion-source-etag";
const RECIPE: &str = "collodion-recipe";

/// What an output was made by, from and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// UID of the job.
    job: String,
    /// Hash of the source's key.
    source: String,
    /// Entity tag of the source.
    source_etag: String,
    /// Hash of the recipe.
    recipe: String,
}

/// What lies at an output's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its entity tag.
    pub(super) etag: String,
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// Its mark, if Collodion made it.
    pub(super) mark: Option<Mark>,
}

/// When the look at the output was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Before anything was tried.
    Before,
    /// After a write that was refused or had no answer: what is there came in between, or is our own.
    After,
}

/// What is to be done about an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Write it, if it is still as it was found.
    Write,
    /// This job made it already.
    Done,
    /// Another job's is just as good.
    Keep,
    /// It exists and the job was told to fail then.
    Exists,
    /// It is another image's.
    Collision,
}

/// Decides by what was found at an output's key.
pub(super) fn decide(found: Option<&Found>, want: &Mark, existing: Existing, look: Look) -> Decision {
    let Some(found) = found else { return Decision::Write };
    let Some(mark) = &found.mark else {
        return if existing == Existing::Fail {
            Decision::Exists
        } else {
            Decision::Write
        };
    };
    let (same_job, same_source) = (mark.job == want.job, mark.source == want.source);
    let right = same_source && mark.source_etag == want.source_etag && mark.recipe == want.recipe;
    match (existing, look) {
        _ if same_job && right => Decision::Done,
        _ if same_job && same_source => Decision::Write,
        _ if same_job => Decision::Collision,
        (Existing::Fail, _) => Decision::Exists,
        (Existing::Skip, _) | (Existing::Overwrite, Look::After) if right => Decision::Keep,
        (_, Look::After) if !same_source => Decision::Collision,
        _ => Decision::Write,
    }
}

impl Mark {
    pub(super) fn new(job: &str, source_key: &str, source_etag: &str, recipe: &str) -> Self {
        Self {
            job: job.to_owned(),
            source: sha256_hex(source_key.as_bytes()),
            source_etag: source_etag.to_owned(),
            recipe: recipe.to_owned(),
        }
    }

    /// The mark as an object's metadata.
    pub(super) fn to_metadata(&self) -> BTreeMap<String, String> {
        let Self {
            job,
            source,
            source_etag,
            recipe,
        } = self;
        [
            (JOB, job),
            (SOURCE, source),
            (SOURCE_ETAG, source_etag),
            (RECIPE, recipe),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .into()
    }

    fn from_metadata(metadata: &BTreeMap<String, String>) -> Option<Self> {
        let get = |name| metadata.get(name).cloned();
        Some(Self {
            job: get(JOB)?,
            source: get(SOURCE)?,
            source_etag: get(SOURCE_ETAG)?,
            recipe: get(RECIPE)?,
        })
    }
}

impl From<Head> for Found {
    fn from(head: Head) -> Self {
        Self {
            mark: Mark::from_metadata(&head.metadata),
            etag: head.etag,
            bytes: head.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(mark: Option<Mark>) -> Option<Found> {
        Some(Found {
            etag: "e".into(),
            bytes: 1,
            mark,
        })
    }

    #[test]
    fn every_case_is_decided() {
        use Decision::{Collision, Done, Exists, Keep, Write};
        let mark = Mark::new;
        let want = mark("job", "a.jpg", "v1", "r1");
        // What is found, then the decisions for Skip, Overwrite and Fail: before, and after a refused write.
        let table = [
            ("nothing", None, [Write, Write, Write], [Write, Write, Write]),
            (
                "a stranger's",
                found(None),
                [Write, Write, Exists],
                [Write, Write, Exists],
            ),
            ("ours", found(Some(want.clone())), [Done; 3], [Done; 3]),
            (
                "ours, older source",
                found(Some(mark("job", "a.jpg", "v0", "r1"))),
                [Write; 3],
                [Write; 3],
            ),
            (
                "ours, other recipe",
                found(Some(mark("job", "a.jpg", "v1", "r0"))),
                [Write; 3],
                [Write; 3],
            ),
            (
                "ours, other image",
                found(Some(mark("job", "b.jpg", "v1", "r1"))),
                [Collision; 3],
                [Collision; 3],
            ),
            (
                "theirs",
                found(Some(mark("x", "a.jpg", "v1", "r1"))),
                [Keep, Write, Exists],
                [Keep, Keep, Exists],
            ),
            (
                "theirs, older source",
                found(Some(mark("x", "a.jpg", "v0", "r1"))),
                [Write, Write, Exists],
                [Write, Write, Exists],
            ),
            (
                "theirs, other recipe",
                found(Some(mark("x", "a.jpg", "v1", "r0"))),
                [Write, Write, Exists],
                [Write, Write, Exists],
            ),
            (
                "theirs, other image",
                found(Some(mark("x", "b.jpg", "v1", "r1"))),
                [Write, Write, Exists],
                [Collision, Collision, Exists],
            ),
        ];
        for (name, found, before, after) in table {
            for (look, decisions) in [(Look::Before, before), (Look::After, after)] {
                for (existing, decision) in [Existing::Skip, Existing::Overwrite, Existing::Fail]
                    .iter()
                    .zip(decisions)
                {
                    let decided = decide(found.as_ref(), &want, *existing, look);
                    assert_eq!(decided, decision, "{name}, {existing:?}, {look:?}");
                }
            }
        }
    }

    #[test]
    fn a_mark_survives_as_metadata_and_half_a_mark_is_none() {
        let mark = Mark::new("job", "ü/ .jpg", "v1", "r1");
        let mut metadata = mark.to_metadata();
        assert_eq!(Mark::from_metadata(&metadata), Some(mark));
        metadata.remove(RECIPE);
        assert_eq!(Mark::from_metadata(&metadata), None);
    }
}
