//! How far the stages came where a deadline cut them short, in one line.

use std::collections::BTreeSet;

use treffer_api::StageReport;
use treffer_engine::gather::Gathered;
use treffer_engine::profile::Profile;
use treffer_engine::stages::Registry;
use treffer_report::text::count_queries;
use treffer_types::{StageName, stage_list};

use crate::terminal;

/// How far the stages came on the queries that a deadline cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cuts {
    n_queries: usize,
    n_cut: usize,
    /// Candidates scored, and candidates to score, of the queries that were cut.
    scored: usize,
    to_score: usize,
    /// Stages before reranking that were left out, or did not score all, for some query.
    incomplete: Vec<StageName>,
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
        for report in reports.iter().filter(|report| report.cut_by_deadline) {
            if !reranks(&report) && !self.incomplete.contains(&report.stage) {
                self.incomplete.push(report.stage);
            }
        }
        let mut cut = reports.iter().filter(reranks);
        if let Some((scored, to_score)) = cut.find_map(|it| Some((it.scored, it.to_score?))) {
            self.n_cut += 1;
            self.scored += scored;
            self.to_score += to_score;
        }
    }

    /// Notes on standard error that queries were cut, if any were. `profiles` are those that
    /// queries were answered under.
    pub(crate) fn report(&self, profiles: &[Profile]) {
        if let Some(text) = self.note(profiles) {
            terminal::note(&text);
        }
    }

    /// What there is to note, if a query was cut.
    pub(crate) fn note(&self, profiles: &[Profile]) -> Option<String> {
        let deadlines = deadlines(profiles);
        let mut notes = Vec::new();
        if !self.incomplete.is_empty() {
            notes.push(format!(
                "{deadlines} left no time for all of {}",
                stage_list(&self.incomplete)
            ));
        }
        if self.n_cut > 0 {
            notes.push(self.text(&deadlines));
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    fn text(&self, deadlines: &str) -> String {
        let Cuts {
            n_queries,
            n_cut,
            scored,
            to_score,
            incomplete: _,
        } = self;
        let scored = format!("{scored} of {to_score} candidates were scored");
        if *n_queries == 1 {
            return format!("{deadlines} cut reranking short: {scored}");
        }
        format!(
            "{deadlines} cut reranking short on {n_cut} of {}: there {scored}",
            count_queries(*n_queries)
        )
    }
}

/// The deadlines of these profiles, each once.
fn deadlines(profiles: &[Profile]) -> String {
    let all: BTreeSet<u64> = profiles.iter().filter_map(|one| one.deadline_ms).collect();
    let each: Vec<String> = all.iter().map(|ms| format!("{ms} ms")).collect();
    match each.as_slice() {
        [] => "the deadline".to_owned(),
        [one] => format!("the deadline of {one}"),
        several => format!("the deadlines of {}", several.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(stage: StageName, scored: usize, skipped: usize) -> StageReport {
        StageReport {
            stage,
            candidates_in: 100,
            candidates_out: 100,
            scored,
            to_score: (skipped > 0).then_some(scored + skipped),
            cut_by_deadline: skipped > 0,
            settled: None,
            unknown_language: None,
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
            cuts.text("the deadline of 50 ms"),
            "the deadline of 50 ms cut reranking short: 32 of 100 candidates were scored"
        );
        cuts.add(&[report(StageName::CROSS, 100, 0)]);
        cuts.add(&[report(StageName::CROSS, 8, 92)]);
        assert_eq!(
            cuts.text("the deadline of 50 ms"),
            "the deadline of 50 ms cut reranking short on 2 of 3 queries: there 40 of 200 candidates were scored"
        );
    }

    #[test]
    fn a_stage_that_was_left_out_is_named() {
        let mut cuts = Cuts::default();
        cuts.add(&[
            report(StageName::BM25, 100, 0),
            report(StageName::DENSE, 0, 200),
        ]);
        let of = |deadline_ms| Profile {
            deadline_ms,
            ..Profile::default()
        };
        assert_eq!(
            cuts.note(&[of(Some(5))]).unwrap(),
            "the deadline of 5 ms left no time for all of dense"
        );
        assert_eq!(Cuts::default().note(&[of(Some(5))]), None);
        // That of a profile which takes the place of the usual one for some languages.
        assert_eq!(
            cuts.note(&[of(None), of(Some(5))]).unwrap(),
            "the deadline of 5 ms left no time for all of dense"
        );
        assert_eq!(
            cuts.note(&[of(Some(9)), of(Some(5)), of(Some(9))]).unwrap(),
            "the deadlines of 5 ms and 9 ms left no time for all of dense"
        );
    }
}
