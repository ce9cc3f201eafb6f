//! A [`Progress`] that records what was reported to it and can cancel the work.

use std::sync::{Mutex, MutexGuard, PoisonError};

use treffer_types::Progress;

/// Records the steps of some work and, if told to, cancels it.
#[derive(Debug, Default)]
pub struct RecordingProgress {
    record: Mutex<Record>,
    cancel_after: Option<usize>,
}

#[derive(Debug, Default)]
struct Record {
    steps: Vec<RecordedStep>,
    advances: usize,
}

/// One step as it was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStep {
    /// The name given to `begin`.
    pub name: String,
    /// The expected sum, in units, if it was known when the step began.
    pub total: Option<u64>,
    /// The unit counted, as "documents".
    pub unit: String,
    /// Units reported as done so far.
    pub done: u64,
    /// Whether `end` was called.
    pub ended: bool,
}

impl RecordingProgress {
    /// Records only; never cancels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop once `advance` has been called `n` times over all
    /// steps; 0 asks from the start.
    pub fn cancelling_after(n: usize) -> Self {
        RecordingProgress {
            cancel_after: Some(n),
            ..Self::default()
        }
    }

    /// The steps so far, in the order in which they began.
    pub fn steps(&self) -> Vec<RecordedStep> {
        self.lock().steps.clone()
    }

    /// How often `advance` was called.
    pub fn advances(&self) -> usize {
        self.lock().advances
    }

    // A test that panics elsewhere should fail for its own reason, not for a
    // poisoned lock.
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for RecordingProgress {
    fn begin(&self, step: &str, total: Option<u64>, unit: &str) {
        self.lock().steps.push(RecordedStep {
            name: step.to_owned(),
            total,
            unit: unit.to_owned(),
            done: 0,
            ended: false,
        });
    }

    fn advance(&self, done: u64) {
        let mut record = self.lock();
        record.advances += 1;
        if let Some(step) = record.steps.last_mut() {
            step.done += done;
        }
    }

    fn end(&self) {
        if let Some(step) = self.lock().steps.last_mut() {
            step.ended = true;
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel_after.is_some_and(|n| self.advances() >= n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_recorded_in_order_with_their_sums() {
        let progress = RecordingProgress::new();
        progress.begin("read", None, "documents");
        progress.advance(3);
        progress.advance(4);
        progress.end();
        progress.begin("encode", Some(9), "passages");
        let steps = progress.steps();
        assert_eq!(steps[0].name, "read");
        assert_eq!((steps[0].done, steps[0].ended), (7, true));
        assert_eq!((steps[1].total, steps[1].ended), (Some(9), false));
        assert_eq!(progress.advances(), 2);
        assert!(!progress.cancelled());
    }

    #[test]
    fn work_is_cancelled_after_the_given_number_of_advances() {
        let progress = RecordingProgress::cancelling_after(2);
        progress.begin("read", None, "documents");
        progress.advance(100);
        assert!(!progress.cancelled());
        progress.advance(1);
        assert!(progress.cancelled());
        assert!(RecordingProgress::cancelling_after(0).cancelled());
    }
}
