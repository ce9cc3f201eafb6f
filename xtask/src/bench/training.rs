//! `cargo xtask bench training`: a step of `treffer train cross` beside PyTorch's, on the same work.
//!
//! The base is the registry's English cross-encoder, which our program writes as a folder that both
//! read; the data are lists of the sample corpus. benches/training.rs and xtask/peers/training.py do
//! the same steps in f32 and in bf16, and the losses of their steps are compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;

use super::contestant::{Contestant, in_turn};
use super::figures::{duration, median};
use super::machine::Machine;
use super::peers::{self, Arguments};
use super::{build_bench, write};
use crate::python::script;
use crate::workspace::{Workspace, run as run_command};

const BASE: &str = "ms-marco-MiniLM-L-12-v2";
/// Steps of one run.
const STEPS: usize = 2;
const RATE: f64 = 2e-5;
const MAX_LENGTH: usize = 128;
/// Lists of a step, and passages of each.
const N_LISTS: usize = 16;
const N_PASSAGES: usize = 8;
/// Characters of a passage at most; its length varies below that.
const MOST: usize = 480;
/// What losses in f32 and in bf16 may differ by, relatively.
const TOLERANCE: [(&str, f64); 2] = [("f32", 1e-3), ("bf16", 3e-2)];

/// Prepares everything, measures in turn and prints the table.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let machine = Machine::look()?;
    let interpreter = peers::prepare(workspace, "training", arguments.python.as_deref())?;
    let scratch = workspace.target.join("bench-training");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)
            .with_context(|| format!("could not remove {}", scratch.display()))?;
    }
    let data = scratch.join("lists.jsonl");
    write(
        &data,
        lists(&workspace.root.join("data/sample"))?.as_bytes(),
    )?;
    let base = base(workspace, &scratch, &data)?;
    let binary = build_bench(workspace, "training")?;

    let mut contestants = Vec::new();
    for (precision, _) in TOLERANCE {
        let job = json!({
            "base": base,
            "data": data,
            "out": scratch.join(precision),
            "precision": precision,
            "threads": machine.n_threads,
            "steps": STEPS,
            "rate": RATE,
            "max_length": MAX_LENGTH,
        });
        let path = scratch.join(format!("{precision}.json"));
        write(&path, job.to_string().as_bytes())?;
        let name = format!("treffer, {precision}");
        contestants.push(Contestant::start(&name, Command::new(&binary).arg(&path))?);
        eprintln!("starting PyTorch in {precision}, which tries sizes of micro-batches: minutes");
        let name = format!("PyTorch, {precision}");
        let mut command = script(
            &interpreter,
            &workspace.root.join("xtask/peers/training.py"),
        );
        contestants.push(Contestant::start(&name, command.arg(&path))?);
    }
    let times = in_turn(&mut contestants, arguments.rounds)?;
    let mut report = format!(
        "{machine}\n\
         Steps of {N_LISTS} lists of {N_PASSAGES} pairs, {BASE}, list loss. Medians of {} rounds, \
         all in turn. Peer: {}.\n\n\
         | program | tokens a step | step | tokens/s | time / Treffer's | settings |\n\
         |---|---:|---:|---:|---:|---|\n",
        arguments.rounds,
        peers::versions(&contestants[1].ready.versions).join(", "),
    );
    let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
    for (at, (precision, tolerance)) in TOLERANCE.into_iter().enumerate() {
        let pair = 2 * at..2 * at + 2;
        let [ours, theirs] = &mut contestants[pair.clone()] else {
            continue; // each precision has two
        };
        let (our_steps, their_steps) = (ours.scores()?, theirs.scores()?);
        let differs = difference(&our_steps, &their_steps)?;
        ensure!(
            differs <= tolerance,
            "the losses in {precision} differ by {differs:e}, so the two did not do the same work"
        );
        largest.insert(precision, differs);
        let our_time = median(&times[pair.start]).context("nothing was timed")?;
        for (contestant, (times, steps)) in [
            (&*ours, (&times[pair.start], &our_steps)),
            (&*theirs, (&times[pair.start + 1], &their_steps)),
        ] {
            let time = median(times).context("nothing was timed")?;
            let tokens = steps.first().map_or(0.0, |step| step[1]);
            writeln!(
                report,
                "| {} | {tokens:.0} | {} | {:.0} | {:.2} | {} |",
                contestant.name,
                duration(time),
                tokens / time * 1000.0,
                time / our_time,
                contestant.ready.settings
            )?;
        }
    }
    writeln!(report)?;
    for (precision, differs) in largest {
        writeln!(
            report,
            "Losses in {precision} differ by at most {differs:.1e}."
        )?;
    }
    print!("{report}");
    if arguments.record {
        super::record(workspace, "training", &report)?;
    }
    Ok(())
}

/// A folder with the base, which our program writes after a step that changes next to nothing.
fn base(workspace: &Workspace, scratch: &Path, data: &Path) -> Result<PathBuf> {
    let folder = scratch.join("base");
    let mut command = Command::new(workspace.build_program()?);
    command.args(["train", "cross", "--base", BASE, "--loss", "list"]);
    command.arg("--data").arg(data).arg("--out").arg(&folder);
    command.args(["--steps", "1", "--batch", "1", "--rate", "1e-12"]);
    run_command(&mut command)?;
    Ok(folder)
}

/// The greatest relative difference of two losses of the same step.
fn difference(ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> Result<f64> {
    ensure!(
        ours.len() == STEPS && theirs.len() == STEPS,
        "{} and {} steps were made, not {STEPS}",
        ours.len(),
        theirs.len()
    );
    let mut largest = 0.0_f64;
    for (ours, theirs) in ours.iter().zip(theirs) {
        let ([loss, tokens], [their_loss, their_tokens]) = (ours.as_slice(), theirs.as_slice())
        else {
            anyhow::bail!("a step is not a loss and a number of tokens");
        };
        ensure!(
            tokens == their_tokens,
            "a step has {tokens} tokens here and {their_tokens} there"
        );
        largest = largest.max((loss - their_loss).abs() / loss.abs());
    }
    Ok(largest)
}

#[derive(Deserialize)]
struct Record {
    text: String,
}

/// Lists in the form of training data: queries of the sample, each with passages of its corpus and
/// scores that only have to be different.
fn lists(sample: &Path) -> Result<String> {
    let texts = |name: &str| -> Result<Vec<String>> {
        let path = sample.join(name);
        let lines = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let record = |line| serde_json::from_str::<Record>(line);
        let records = lines.lines().map(record).collect::<Result<Vec<_>, _>>();
        let records = records.with_context(|| format!("could not read {}", path.display()))?;
        Ok(records.into_iter().map(|record| record.text).collect())
    };
    let (corpus, queries) = (texts("corpus.jsonl")?, texts("queries.jsonl")?);
    ensure!(
        queries.len() >= N_LISTS && corpus.len() >= N_PASSAGES,
        "the sample in {} is too small",
        sample.display()
    );
    let mut lines = String::new();
    for (at, query) in queries.iter().take(N_LISTS).enumerate() {
        let passages: Vec<String> = (0..N_PASSAGES)
            .map(|nth| {
                let text = &corpus[(at * N_PASSAGES + nth) % corpus.len()];
                let most = MOST * (nth + 1) / N_PASSAGES;
                text.chars().take(most).collect()
            })
            .collect();
        let scores: Vec<f64> = (0..N_PASSAGES)
            .map(|nth| ((nth * 5 + at) % N_PASSAGES) as f64 / 2.0)
            .collect();
        let line = json!({ "query": query, "passages": passages, "scores": scores });
        writeln!(lines, "{line}")?;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_has_passages_of_several_lengths_and_a_score_for_each() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample");
        let lists = lists(&sample).unwrap();
        assert_eq!(lists.lines().count(), N_LISTS);
        for line in lists.lines() {
            let list: serde_json::Value = serde_json::from_str(line).unwrap();
            let lengths: Vec<usize> = list["passages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one.as_str().unwrap().len())
                .collect();
            assert_eq!(lengths.len(), N_PASSAGES);
            assert!(lengths[0] < lengths[N_PASSAGES - 1], "{lengths:?}");
            assert_eq!(list["scores"].as_array().unwrap().len(), N_PASSAGES);
        }
    }

    #[test]
    fn other_work_is_refused() {
        let step = |loss: f64, tokens: f64| vec![loss, tokens];
        let ours = [step(2.0, 10.0), step(1.0, 10.0)];
        let near = [step(2.002, 10.0), step(1.0, 10.0)];
        let found = difference(&ours, &near).unwrap();
        assert!((found - 1e-3).abs() < 1e-9, "{found}");
        assert!(difference(&ours, &near[..1]).is_err());
        assert!(difference(&ours, &[step(2.0, 11.0), step(1.0, 10.0)]).is_err());
    }
}
