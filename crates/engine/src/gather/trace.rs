//! What each step of a search did.

use std::time::Duration;

use treffer_api::StageReport;
use treffer_types::{Candidate, Language, StageName};

use crate::pipeline::Step;

/// One step's part in one search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageTrace {
    /// Which stage.
    pub stage: StageName,
    /// Wall-clock time.
    pub elapsed: Duration,
    /// Candidates in the pool before it.
    pub candidates_in: usize,
    /// Candidates in the pool after it; never fewer.
    pub candidates_out: usize,
    /// Candidates that it scored.
    pub scored: usize,
    /// Candidates that it would have scored but for the deadline; for a retrieval that was
    /// skipped, its depth.
    pub skipped: usize,
    /// Candidates that a reranker did not score because the best were settled
    /// ([`cross_patience`](crate::profile::Profile::cross_patience)).
    pub settled: usize,
    /// The language of the query, if the stage was left out because its model does not know it.
    pub unknown_language: Option<Language>,
}

impl StageTrace {
    /// The trace as a response holds it, with its time if `timed`.
    pub fn report(&self, timed: bool) -> StageReport {
        let is_cut = self.skipped > 0;
        StageReport {
            stage: self.stage,
            candidates_in: self.candidates_in,
            candidates_out: self.candidates_out,
            scored: self.scored,
            to_score: is_cut.then_some(self.scored + self.skipped),
            cut_by_deadline: is_cut,
            settled: (self.settled > 0).then_some(self.settled),
            unknown_language: self.unknown_language,
            ms: timed.then_some(self.elapsed.as_secs_f64() * 1e3),
        }
    }

    /// Of a step that there was no time for.
    pub(super) fn of_skipped(step: Step, candidates: &[Candidate]) -> Self {
        let stage = step.stage();
        let n_unscored = unscored(candidates, stage).len();
        StageTrace {
            stage,
            elapsed: Duration::ZERO,
            candidates_in: candidates.len(),
            candidates_out: candidates.len(),
            scored: 0,
            skipped: match step {
                Step::Retrieve { depth, .. } => depth,
                Step::Score { .. } => n_unscored,
                Step::Rerank { depth, .. } => depth.min(n_unscored),
            },
            settled: 0,
            unknown_language: None,
        }
    }

    /// Of a stage that does not know the language of the query.
    pub(super) fn of_unknown_language(
        step: Step,
        candidates: &[Candidate],
        language: Language,
    ) -> Self {
        StageTrace {
            skipped: 0,
            unknown_language: Some(language),
            ..StageTrace::of_skipped(step, candidates)
        }
    }
}

fn unscored(candidates: &[Candidate], stage: StageName) -> Vec<usize> {
    (0..candidates.len())
        .filter(|at| !candidates[*at].is_scored_by(stage))
        .collect()
}
