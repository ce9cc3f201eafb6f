//! What a deadline cut off, told in one line.

use treffer_engine::gather::Gathered;
use treffer_engine::profile::Profile;
use treffer_types::{StageName, StageTrace};

use crate::source::queries_counted;

/// How far the cross-encoder came on the queries that a deadline cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cuts {
    n_queries: usize,
    n_cut: usize,
    /// Candidates read, and candidates to read, of the queries that were cut.
    read: usize,
    to_read: usize,
}

impl Cuts {
    /// Counts a query by what its stages did.
    pub(crate) fn add(&mut self, traces: &[StageTrace]) {
        self.n_queries += 1;
        let is_cut = |trace: &&StageTrace| trace.stage == StageName::Cross && trace.skipped > 0;
        if let Some(trace) = traces.iter().find(is_cut) {
            self.n_cut += 1;
            self.read += trace.scored;
            self.to_read += trace.scored + trace.skipped;
        }
    }

    /// Of queries that were gathered.
    pub(crate) fn of(gathered: &[Gathered]) -> Self {
        let mut cuts = Cuts::default();
        for query in gathered {
            cuts.add(&query.traces);
        }
        cuts
    }

    /// Tells on standard error if there is anything to tell.
    pub(crate) fn tell(&self, profile: &Profile) {
        if let Some(text) = self.text(profile) {
            eprintln!("note: {text}");
        }
    }

    /// What there is to tell, if a query was cut.
    pub(crate) fn text(&self, profile: &Profile) -> Option<String> {
        match (self.n_cut, profile.deadline_ms) {
            (1.., Some(deadline_ms)) => Some(self.words(deadline_ms)),
            _ => None,
        }
    }

    fn words(&self, deadline_ms: u64) -> String {
        let Cuts { read, to_read, .. } = self;
        let read = format!("the cross-encoder read {read} of {to_read} candidates");
        match self.n_queries {
            1 => format!("the deadline of {deadline_ms} ms cut the reading short: {read}"),
            n => format!(
                "the deadline of {deadline_ms} ms cut the reading short on {} of {}: there {read}",
                self.n_cut,
                queries_counted(n)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn trace(stage: StageName, scored: usize, skipped: usize) -> StageTrace {
        StageTrace {
            stage,
            elapsed: Duration::ZERO,
            candidates_in: 100,
            candidates_out: 100,
            scored,
            skipped,
        }
    }

    #[test]
    fn one_query_and_many_are_told_in_their_own_words() {
        let mut cuts = Cuts::default();
        cuts.add(&[
            trace(StageName::Bm25, 100, 0),
            trace(StageName::Cross, 32, 68),
        ]);
        assert_eq!(
            cuts.words(50),
            "the deadline of 50 ms cut the reading short: the cross-encoder read 32 of 100 candidates"
        );
        cuts.add(&[trace(StageName::Cross, 100, 0)]);
        cuts.add(&[trace(StageName::Cross, 8, 92)]);
        assert_eq!(
            cuts.words(50),
            "the deadline of 50 ms cut the reading short on 2 of 3 queries: there the cross-encoder read 40 of 200 candidates"
        );
    }
}
