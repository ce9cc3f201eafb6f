//! What a stage did during one search.

use std::time::Duration;

use crate::stage::StageName;

/// One stage's part in one search.
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
    /// Candidates on which it set its score.
    pub scored: usize,
    /// Candidates that it would have scored but for the deadline; above 0 if it was cut.
    pub skipped: usize,
}
