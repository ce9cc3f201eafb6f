//! How far reranking came where a deadline cut it short, in one line.

use treffer_api::StageReport;
use treffer_engine::gather::Gathered;
use treffer_engine::profile::Profile;
use treffer_engine::stages::Registry;
use treffer_report::text::count_queries;

use crate::terminal;

/// How far reranking came on the queries that a deadline cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cuts {
    n_queries: usize,
    n_cut: usize,
    /// Candidates scored, and candidates to score, of the queries that were cut.
    scored: usize,
    to_score: usize,
}

impl Cuts {
    /// Of queries that were gathered.
    pub(crate) fn of(gathered: &[Gathered]) -> Self {
        let mut cuts = Cuts::default();
        for query in gathered {
            let reports: Vec<StageReport> = query
                .traces
                .iter()
                .map(|trace| trace.report(false))
                .collect();
            cuts.add(&reports);
        }
        cuts
    }

    /// Counts a query by what its stages did.
    pub(crate) fn add(&mut self, reports: &[StageReport]) {
        self.n_queries += 1;
        let reranks = |report: &&StageReport| {
            let kind = Registry::standard().get(report.stage);
            kind.is_some_and(|kind| kind.capabilities.reranks)
        };
        let mut cut = reports.iter().filter(reranks);
        if let Some((scored, to_score)) = cut.find_map(|it| Some((it.scored, it.to_score?))) {
            self.n_cut += 1;
            self.scored += scored;
            self.to_score += to_score;
        }
    }

    /// Notes on standard error that queries were cut, if any were.
    pub(crate) fn report(&self, profile: &Profile) {
        if let Some(text) = self.note(profile) {
            terminal::note(&text);
        }
    }

    /// What there is to note, if a query was cut.
    pub(crate) fn note(&self, profile: &Profile) -> Option<String> {
        let deadline_ms = profile.deadline_ms.filter(|_| self.n_cut > 0)?;
        Some(self.text(deadline_ms))
    }

    fn text(&self, deadline_ms: u64) -> String {
        let Cuts {
            n_queries,
            n_cut,
            scored,
            to_score,
        } = self;
        let scored = format!("{scored} of {to_score} candidates were scored");
        if *n_queries == 1 {
            return format!("the deadline of {deadline_ms} ms cut reranking short: {scored}");
        }
        format!(
            "the deadline of {deadline_ms} ms cut reranking short on {n_cut} of {}: there {scored}",
            count_queries(*n_queries)
        )
    }
}

#[cfg(test)]
mod tests {
    use treffer_types::StageName;

    use super::*;

    fn report(stage: StageName, scored: usize, skipped: usize) -> StageReport {
        StageReport {
            stage,
            candidates_in: 100,
            candidates_out: 100,
            scored,
            to_score: (skipped > 0).then_some(scored + skipped),
            cut_by_deadline: skipped > 0,
            ms: None,
        }
    }

    #[test]
    fn one_query_and_many_have_their_own_words() {
        let mut cuts = Cuts::default();
        cuts.add(&[
            report(StageName::BM25, 100, 0),
            report(StageName::CROSS, 32, 68),
        ]);
        assert_eq!(
            cuts.text(50),
            "the deadline of 50 ms cut reranking short: 32 of 100 candidates were scored"
        );
        cuts.add(&[report(StageName::CROSS, 100, 0)]);
        cuts.add(&[report(StageName::CROSS, 8, 92)]);
        assert_eq!(
            cuts.text(50),
            "the deadline of 50 ms cut reranking short on 2 of 3 queries: there 40 of 200 candidates were scored"
        );
    }
}
