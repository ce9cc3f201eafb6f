//! `treffer add`: documents into an index.

use std::path::PathBuf;

use anyhow::Result;
use treffer::StandardModels;
use treffer_corpus::Problem;
use treffer_engine::build::{AddRequest, WriteReport, add};
use treffer_report::text::{count, grouped};
use treffer_types::Device;

use crate::corpus::{CorpusArgs, at_least_one_document, note_written, times};
use crate::options::Global;
use crate::problems::Problems;
use crate::progress::Bars;
use crate::terminal::say;
use crate::{Outcome, input};

#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Folder of the index
    dir: PathBuf,
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Commit after every N documents, so that an interrupted command need not begin anew
    #[arg(long, value_name = "N", value_parser = at_least_one_document())]
    commit_every: Option<u32>,
    /// Leave segments as they are, even if there are many
    #[arg(long)]
    no_merge: bool,
    /// Where the bi-encoder runs: cpu, cuda or cuda:N [default: as the index's settings say]
    #[arg(long)]
    device: Option<Device>,
}

/// Adds documents, each in the place of the one that has its id.
pub(crate) fn run(command: &Add, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    let bars = Bars::cancellable()?;
    let reading = command.corpus.options(&bars);
    let request = AddRequest {
        dir: &command.dir,
        inputs: &command.corpus.inputs,
        vectors: command.corpus.vectors.as_deref(),
        reading: &reading,
        strict: command.corpus.strict,
        commit_every: command.commit_every,
        device: command.device,
        merges: !command.no_merge,
    };
    let mut problems = Problems::new(command.corpus.reading.problems.as_deref())?;
    let show = |line: &str| bars.say(line);
    let models = StandardModels::new(input::registry(global)?).with_progress(&bars);
    let mut on_problem = |problem: &Problem| problems.add(problem, &show);
    let report = add(&request, &models, &bars, &mut on_problem);
    problems.end_input("bad record", None);
    show_report(command, &report?);
    problems.finish()?;
    Ok(Outcome::Found)
}

fn show_report(command: &Add, report: &WriteReport) {
    say(&format!(
        "added {} to {}, replaced {}, found {} unchanged: {} now, in {}",
        count(report.added.into(), "document"),
        command.dir.display(),
        grouped(report.updated.into()),
        grouped(report.unchanged.into()),
        count(report.documents.into(), "document"),
        times(&report.steps),
    ));
    note_written(report);
}
