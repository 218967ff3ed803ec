//! A progress bar on stderr, where that is a terminal.

use std::{fmt::Write, time::Duration};

use collodion_crds::ObjectCounts;
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use tokio::time::interval;

use crate::job::Progress;

const REFRESH: Duration = Duration::from_millis(100);

/// A progress bar that follows a job's counters.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar on stderr; hidden where that is no terminal.
    pub(super) fn new() -> Self {
        Self(ProgressBar::new_spinner())
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }

    /// Shows how many images are found while the plan is made.
    pub(super) async fn planning<T>(&self, progress: &Progress, work: impl Future<Output = T>) -> T {
        self.follow(work, || {
            self.0
                .set_message(format!("listing images: {}", HumanCount(progress.now().objects.total)));
            self.0.tick();
        })
        .await
    }

    /// Shows how many images are finished while a shard is worked on, after those of earlier shards.
    pub(super) async fn processing<T>(
        &self,
        earlier: ObjectCounts,
        progress: &Progress,
        work: impl Future<Output = T>,
    ) -> T {
        let style =
            ProgressStyle::with_template("{bar:30.cyan/dim} {human_pos}/{human_len} images  {rate}  {eta} left  {msg}");
        let rate = |state: &ProgressState, to: &mut dyn Write| {
            let _ = write!(to, "{:.1}/s", state.per_sec());
        };
        let style = style.expect("the template is well-formed").with_key("rate", rate);
        self.0.set_style(style);
        self.0.set_message("");
        self.0.set_length(earlier.total);
        self.follow(work, || {
            let now = progress.now().objects;
            self.0.set_position(earlier.finished() + now.finished());
            let failed = earlier.failed + now.failed;
            if failed > 0 {
                self.0.set_message(format!("{} failed", HumanCount(failed)));
            }
        })
        .await
    }

    /// Takes the bar off the terminal.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }

    async fn follow<T>(&self, work: impl Future<Output = T>, show: impl Fn()) -> T {
        let mut refresh = interval(REFRESH);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                _ = refresh.tick() => show(),
            }
        }
    }
}
