//! `treffer fuse`: foreign runs made one, with the code that fuses stages.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use treffer_engine::runs::{WeighedRun, fuse_runs};
use treffer_eval::Run;
use treffer_fusion::{Normalizer, shares};

use crate::args::Fuse;
use crate::output::count;
use crate::{Outcome, source};

/// Fuses the runs and writes the result.
pub(crate) fn run(command: &Fuse) -> Result<Outcome> {
    let normalizers = normalizers(command)?;
    let shares = weights(command)?;
    let runs = command
        .runs
        .iter()
        .map(|path| source::run(path))
        .collect::<Result<Vec<Run>>>()?;
    tell_missing(&command.runs, &runs);
    let weighed: Vec<WeighedRun<'_>> = runs
        .iter()
        .zip(normalizers.into_iter().zip(shares))
        .map(|(run, (normalizer, share))| WeighedRun {
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
    source::write_run_to(command.output.as_deref(), &fused, &command.tag)?;
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

/// Queries that only some runs have, told on standard error.
fn tell_missing(paths: &[impl AsRef<Path>], runs: &[Run]) {
    let all: BTreeSet<&String> = runs.iter().flat_map(|run| run.0.keys()).collect();
    for (path, run) in paths.iter().zip(runs) {
        let missing = all.len() - run.0.len();
        if missing > 0 {
            eprintln!(
                "note: {} not in {}: fused from the other runs",
                queries(missing),
                path.as_ref().display()
            );
        }
    }
}

fn queries(number: usize) -> String {
    source::queries_counted(number)
}
