//! Progress of a step in bytes, which never goes backwards.

use treffer_types::Progress;

/// Reports the largest count so far, also if a download starts again. The step ends when
/// the meter is dropped.
pub(crate) struct Meter<'a> {
    progress: &'a dyn Progress,
    reported: u64,
}

impl<'a> Meter<'a> {
    /// Begins a step of `total` bytes.
    pub(crate) fn begin(progress: &'a dyn Progress, step: &str, total: Option<u64>) -> Self {
        progress.begin(step, total, "bytes");
        Meter {
            progress,
            reported: 0,
        }
    }

    /// Reports that `done` bytes of the step are done.
    pub(crate) fn reach(&mut self, done: u64) {
        if done > self.reported {
            self.progress.advance(done - self.reported);
            self.reported = done;
        }
    }

    /// Reports `more` bytes in addition to those reported.
    pub(crate) fn advance(&mut self, more: u64) {
        self.reach(self.reported + more);
    }

    /// Whether the user canceled.
    pub(crate) fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.progress.end();
    }
}
