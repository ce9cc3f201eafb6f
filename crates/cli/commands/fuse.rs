//! `treffer fuse`: fuses runs of any programs, with the code that fuses stages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use treffer_engine::runs::{WeightedRun, fuse_runs};
use treffer_eval::Run;
use treffer_fusion::{Normalizer, shares};
use treffer_report::text::{count, count_queries};

use crate::options::{ReadArgs, at_least_one};
use crate::terminal::note;
use crate::{Outcome, input, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Normalizers bring each run's scores to one scale, query by query:
  min-max              least 0, largest 1
  z-score              mean 0, standard deviation 1
  rank:K               1 / (K + rank)
  linear-rank          1 for the best, falling in equal steps
  theoretical-min:LOW  LOW becomes 0, the largest 1: LOW is 0 for BM25, -1 for a cosine
  bounds:LOW:HIGH      LOW becomes 0, HIGH becomes 1
  sigmoid:A:B          1 / (1 + exp(-(A s + B))), for logits

A document that a run lacks gets 0 from it, or the lowest normalized score of that run and query if
that is below 0. A query that a run lacks is fused from the other runs. Ties are ordered by document
id.

Examples:
  treffer fuse bm25.trec dense.trec --rrf > fused.trec
  treffer fuse bm25.trec dense.trec --weights 0.3,0.7 --output fused.trec
  treffer fuse bm25.trec dense.trec cross.trec --weights 2,3,5 \\
    --normalizer theoretical-min:0 --normalizer theoretical-min:-1 --normalizer sigmoid:1:0")]
pub(crate) struct Fuse {
    /// TREC runs, also .gz or .zst
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadArgs,
    /// Weight of each run, in their proportion [default: all the same]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B,...",
        allow_hyphen_values = true
    )]
    weights: Option<Vec<f64>>,
    /// How scores reach one scale: once for all runs, or once for each [default: min-max]
    #[arg(long, value_name = "NORMALIZER", allow_hyphen_values = true)]
    normalizer: Vec<Normalizer>,
    /// Reciprocal rank fusion: the sum of 1 / (k + rank)
    #[arg(long, conflicts_with = "normalizer")]
    rrf: bool,
    /// The k of reciprocal rank fusion
    #[arg(long, default_value_t = 60, requires = "rrf")]
    k: u32,
    /// Look at the first N documents of each run and query only
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    depth: Option<usize>,
    /// Most documents per query to write [default: all]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    top_k: Option<usize>,
    /// File to write the fused run to [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Last column of the fused run
    #[arg(long, default_value = "treffer")]
    tag: String,
}

/// Fuses the runs and writes the result.
pub(crate) fn run(command: &Fuse) -> Result<Outcome> {
    output::check_column(&command.tag, "tag", "a run")?;
    if let Some(path) = &command.output {
        output::check_target(path, "the run")?;
    }
    let normalizers = normalizers(command)?;
    let shares = weights(command)?;
    let mut inputs = input::Inputs::new(&command.reading)?;
    let runs = command
        .runs
        .iter()
        .map(|path| inputs.run(path))
        .collect::<Result<Vec<Run>>>()?;
    inputs.finish()?;
    note_missing(&command.runs, &runs);
    let weighed: Vec<WeightedRun<'_>> = runs
        .iter()
        .zip(normalizers.into_iter().zip(shares))
        .map(|(run, (normalizer, share))| WeightedRun {
            run,
            normalizer,
            share,
        })
        .collect();
    let mut fused = fuse_runs(&weighed, command.depth);
    if let Some(top_k) = command.top_k {
        fused
            .0
            .values_mut()
            .for_each(|ranking| ranking.truncate(top_k));
    }
    output::write_run_to(command.output.as_deref(), &fused, &command.tag)?;
    Ok(Outcome::Found)
}

/// One for each run.
fn normalizers(command: &Fuse) -> Result<Vec<Normalizer>> {
    let n_runs = command.runs.len();
    if command.rrf {
        return Ok(vec![Normalizer::Rank { k: command.k }; n_runs]);
    }
    match command.normalizer.as_slice() {
        [] => Ok(vec![Normalizer::MinMax; n_runs]),
        [one] => Ok(vec![*one; n_runs]),
        each if each.len() == n_runs => Ok(each.to_vec()),
        some => bail!(
            "--normalizer is given {} times for {}; give it once for all, or once for each",
            some.len(),
            count(n_runs as u64, "run")
        ),
    }
}

/// What each run counts. Reciprocal ranks without weights are added up as they are,
/// which gives the scores of the paper.
fn weights(command: &Fuse) -> Result<Vec<f64>> {
    let n_runs = command.runs.len();
    match &command.weights {
        None if command.rrf => Ok(vec![1.0; n_runs]),
        None => Ok(shares(&vec![1.0; n_runs])?),
        Some(weights) if weights.len() == n_runs => {
            shares(weights).context("could not use --weights")
        }
        Some(weights) => bail!(
            "--weights has {} for {}; write one for each, in their order",
            count(weights.len() as u64, "weight"),
            count(n_runs as u64, "run")
        ),
    }
}

/// Notes which queries only some runs have.
fn note_missing(paths: &[impl AsRef<Path>], runs: &[Run]) {
    let all: BTreeSet<&String> = runs.iter().flat_map(|run| run.0.keys()).collect();
    for (path, run) in paths.iter().zip(runs) {
        let missing = all.len() - run.0.len();
        if missing > 0 {
            let (queries, path) = (count_queries(missing), path.as_ref().display());
            note(&format!(
                "{queries} not in {path}: fused from the other runs"
            ));
        }
    }
}
