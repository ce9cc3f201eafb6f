//! Runs of other programs: from a file to rankings, and fused with the normalizers and weights
//! that also fuse stages.

use std::collections::{BTreeMap, BTreeSet};

use treffer_corpus::{Rankings, RunDocument};
use treffer_eval::{Run, RunEntry};
use treffer_fusion::{Normalizer, System, combine};

/// The rankings of a file, in the order in which `trec_eval` takes them.
pub fn run_of(rankings: Rankings) -> Run {
    let entry = |RunDocument { doc, score, .. }| RunEntry { doc, score };
    let rankings = rankings.into_iter().map(|(query, documents)| {
        let entries = documents.into_iter().map(entry);
        (query, entries.collect())
    });
    let mut run = Run::from_rankings(rankings);
    run.sort_as_trec_eval();
    run
}

/// A run, and how it is fused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightedRun<'a> {
    /// The rankings.
    pub run: &'a Run,
    /// How its scores reach the common scale, query by query.
    pub normalizer: Normalizer,
    /// Factor of its normalized scores, at least 0.
    pub share: f64,
}

/// Fuses the runs' rankings of every query that at least one of them has, using the first
/// `depth` documents of each ranking.
///
/// A document that a run lacks gets the value that [`Normalizer`] gives to unscored
/// candidates, never more than that run's worst; a query that a run lacks is fused from the
/// others. If a document occurs twice in one ranking, its first position counts. Ties are
/// ordered by document id.
pub fn fuse_runs(runs: &[WeightedRun<'_>], depth: Option<usize>) -> Run {
    let queries: BTreeSet<&String> = runs
        .iter()
        .flat_map(|weighed| weighed.run.0.keys())
        .collect();
    let fused = queries
        .into_iter()
        .map(|query| (query.clone(), fuse_query(runs, query, depth)));
    Run::from_rankings(fused)
}

fn fuse_query(runs: &[WeightedRun<'_>], query: &str, depth: Option<usize>) -> Vec<RunEntry> {
    let scores: Vec<BTreeMap<&str, f64>> = runs
        .iter()
        .map(|weighed| {
            let ranking = weighed.run.0.get(query).into_iter().flatten();
            let mut scores = BTreeMap::new();
            for entry in ranking.take(depth.unwrap_or(usize::MAX)) {
                scores.entry(entry.doc.as_str()).or_insert(entry.score);
            }
            scores
        })
        .collect();
    let docs: BTreeSet<&str> = scores
        .iter()
        .flat_map(|scores| scores.keys().copied())
        .collect();
    let docs: Vec<&str> = docs.into_iter().collect();
    let columns: Vec<Vec<Option<f64>>> = scores
        .iter()
        .map(|scores| docs.iter().map(|doc| scores.get(doc).copied()).collect())
        .collect();
    let systems: Vec<System<'_>> = columns
        .iter()
        .zip(runs)
        .map(|(scores, weighed)| System {
            scores,
            normalizer: weighed.normalizer,
            share: weighed.share,
        })
        .collect();
    combine(&systems)
        .into_iter()
        .map(|combined| RunEntry {
            doc: docs[combined.candidate].to_owned(),
            score: combined.score,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(queries: &[(&str, &[(&str, f64)])]) -> Run {
        let entries = |ranking: &[(&str, f64)]| {
            let entry = |(doc, score): &(&str, f64)| RunEntry {
                doc: (*doc).to_owned(),
                score: *score,
            };
            ranking.iter().map(entry).collect()
        };
        Run::from_rankings(
            queries
                .iter()
                .map(|(query, ranking)| ((*query).to_owned(), entries(ranking))),
        )
    }

    fn halves<'a>(runs: &[&'a Run]) -> Vec<WeightedRun<'a>> {
        let weighed = |run: &&'a Run| WeightedRun {
            run,
            normalizer: Normalizer::MinMax,
            share: 0.5,
        };
        runs.iter().map(weighed).collect()
    }

    fn docs<'a>(run: &'a Run, query: &str) -> Vec<&'a str> {
        run.ranking(query).collect()
    }

    #[test]
    fn a_query_that_one_run_lacks_is_fused_from_the_others() {
        let a = run(&[("1", &[("x", 3.0), ("y", 1.0)]), ("2", &[("x", 1.0)])]);
        let b = run(&[("1", &[("y", 9.0), ("z", 8.0), ("x", 7.0)])]);
        let fused = fuse_runs(&halves(&[&a, &b]), None);
        // 0.5 + 0, 0 + 0.5, 0 + 0.25: the tie by id.
        assert_eq!(docs(&fused, "1"), ["x", "y", "z"]);
        assert_eq!(docs(&fused, "2"), ["x"]);
    }

    #[test]
    fn documents_below_the_depth_are_not_looked_at() {
        let a = run(&[("1", &[("x", 3.0), ("y", 2.0), ("z", 1.0)])]);
        let fused = fuse_runs(&halves(&[&a]), Some(2));
        assert_eq!(docs(&fused, "1"), ["x", "y"]);
        assert_eq!(fused.0["1"][1].score, 0.0);
    }

    #[test]
    fn the_first_place_of_a_repeated_document_counts() {
        let twice = run(&[("1", &[("x", 3.0), ("y", 2.0), ("x", 1.0)])]);
        let once = run(&[("1", &[("x", 3.0), ("y", 2.0)])]);
        assert_eq!(
            fuse_runs(&halves(&[&twice]), None),
            fuse_runs(&halves(&[&once]), None)
        );
    }

    #[test]
    fn no_runs_are_no_rankings() {
        assert_eq!(fuse_runs(&[], None), Run::default());
    }
}
