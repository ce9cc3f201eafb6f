//! How the runs' queries and the judged ones overlap.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use treffer_eval::Run;
use treffer_report::text::count_queries;
use treffer_types::Qrels;

use super::Compare;
use crate::terminal::note;

/// How the runs' queries and the judged ones overlap.
pub(super) struct Coverage {
    judged: usize,
    /// Judged, and in no run: left out, since no system was asked.
    pub(super) in_no_run: usize,
    /// In the baseline, but not judged.
    pub(super) baseline_not_judged: usize,
    pub(super) runs: Vec<RunCoverage>,
    compared: BTreeSet<String>,
}

/// The judged queries of a run beside the baseline's, and its queries without judgments.
pub(super) struct RunCoverage {
    pub(super) only_in_baseline: usize,
    pub(super) only_in_run: usize,
    pub(super) not_judged: usize,
}

impl Coverage {
    pub(super) fn new(baseline: &Run, runs: &[Run], qrels: &Qrels) -> Self {
        let judged_in = |run: &Run| -> BTreeSet<String> {
            let queries = run.0.keys().filter(|query| qrels.query(query).is_some());
            queries.cloned().collect()
        };
        let of_baseline = judged_in(baseline);
        let mut compared = of_baseline.clone();
        let runs = runs
            .iter()
            .map(|run| {
                let of_run = judged_in(run);
                let coverage = RunCoverage {
                    only_in_baseline: of_baseline.difference(&of_run).count(),
                    only_in_run: of_run.difference(&of_baseline).count(),
                    not_judged: run.0.len() - of_run.len(),
                };
                compared.extend(of_run);
                coverage
            })
            .collect();
        Coverage {
            judged: qrels.0.len(),
            in_no_run: qrels.0.len() - compared.len(),
            baseline_not_judged: baseline.0.len() - of_baseline.len(),
            runs,
            compared,
        }
    }

    /// Notes what does not overlap.
    pub(super) fn report(&self, command: &Compare) {
        let note_of = |n: usize, what: &str| {
            if n > 0 {
                note(&format!("{} {what}", count_queries(n)));
            }
        };
        let baseline = command.baseline.display();
        note_of(self.in_no_run, "judged but in none of the runs: left out");
        note_of(
            self.baseline_not_judged,
            &format!("in {baseline} without judgments: left out"),
        );
        for (path, run) in command.runs.iter().zip(&self.runs) {
            let path = path.display();
            note_of(
                run.not_judged,
                &format!("in {path} without judgments: left out"),
            );
            note_of(
                run.only_in_baseline,
                &format!("in {baseline} only: counted as 0 for {path}"),
            );
            note_of(
                run.only_in_run,
                &format!("in {path} only: counted as 0 for {baseline}"),
            );
        }
    }

    /// The judgments of the queries that are compared.
    pub(super) fn compared(&self, command: &Compare, mut qrels: Qrels) -> Result<Qrels> {
        qrels.0.retain(|query, _| self.compared.contains(query));
        if qrels.0.is_empty() {
            bail!(
                "no query of the runs is judged: {} has {}, but no id is in both",
                command.qrels.display(),
                count_queries(self.judged)
            );
        }
        Ok(qrels)
    }
}
