//! Where the files of a job lie in its output location.

/// Folder of the output location that belongs to jobs alone. No image is ever read from a folder of this name.
pub(super) const RESERVED: &str = "_collodion";

/// Keys of one job's files.
#[derive(Debug)]
pub(super) struct Layout {
    folder: String,
}

impl Layout {
    pub(super) fn new(uid: &str) -> Self {
        Self {
            folder: format!("{RESERVED}/{uid}"),
        }
    }

    /// Beginning of every shard's key.
    pub(super) fn shards(&self) -> String {
        format!("{}/plan/shard-", self.folder)
    }

    pub(super) fn shard(&self, shard: u32) -> String {
        format!("{}{shard:05}.jsonl", self.shards())
    }

    pub(super) fn plan(&self) -> String {
        format!("{}/plan/plan.json", self.folder)
    }

    /// An object that shows whether the store honours conditions.
    pub(super) fn probe(&self) -> String {
        format!("{}/plan/probe", self.folder)
    }

    /// Folder of a shard's results, with its final slash.
    pub(super) fn results(&self, shard: u32) -> String {
        format!("{}/results/{shard:05}/", self.folder)
    }

    pub(super) fn done(&self, shard: u32) -> String {
        format!("{}done.json", self.results(shard))
    }

    pub(super) fn failures(&self) -> String {
        format!("{}/failures.jsonl", self.folder)
    }

    pub(super) fn report_html(&self) -> String {
        format!("{}/report.html", self.folder)
    }

    pub(super) fn report(&self) -> String {
        format!("{}/report.json", self.folder)
    }
}

/// Whether a key lies in a folder that belongs to jobs.
pub(super) fn is_reserved(key: &str) -> bool {
    key.rsplit('/').skip(1).any(|folder| folder == RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_are_reserved() {
        assert!(is_reserved("_collodion/x") && is_reserved("a/_collodion/b/c.jpg"));
        assert!(!is_reserved("_collodion") && !is_reserved("a_collodion/x") && !is_reserved("a/_collodion.jpg"));
    }

    #[test]
    fn shards_sort_by_number() {
        let layout = Layout::new("u");
        assert!(layout.shard(9) < layout.shard(10) && layout.shard(999) < layout.shard(1000));
        assert_eq!(layout.shard(42), "_collodion/u/plan/shard-00042.jsonl");
        assert_eq!(layout.done(42), "_collodion/u/results/00042/done.json");
    }
}
