//! How long the steps of a run took.

use std::time::Duration;

/// How long steps took.
#[derive(Default)]
pub(super) struct StepClock {
    steps: Vec<(&'static str, Duration)>,
}

impl StepClock {
    /// Adds to the time of a step.
    pub(super) fn add(&mut self, step: &'static str, elapsed: Duration) {
        match self.steps.iter_mut().find(|(name, _)| *name == step) {
            Some((_, sum)) => *sum += elapsed,
            None => self.steps.push((step, elapsed)),
        }
    }

    /// The time of all steps.
    pub(super) fn total(&self) -> Duration {
        self.steps.iter().map(|(_, elapsed)| *elapsed).sum()
    }

    /// The steps in the order in which they were first made.
    pub(super) fn into_steps(self) -> Vec<(&'static str, Duration)> {
        self.steps
    }
}
