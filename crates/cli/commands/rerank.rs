//! `treffer rerank`: reranks a run of any program with the cross-encoder.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;
use treffer_engine::Device;
use treffer_engine::rerank::{Reranked, rerank};
use treffer_report::text::{count, count_queries};
use treffer_types::StageName;

use crate::options::{Global, at_least_one};
use crate::progress::Bars;
use crate::terminal::{note, say};
use crate::{Outcome, input, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Documents that the index does not hold are reported and left out. Documents below the depth keep
their order, below all that were reranked.

Examples:
  treffer rerank my-index bm25.trec --queries queries.jsonl --output reranked.trec
  Did reranking help?
    treffer compare bm25.trec reranked.trec --qrels qrels/test.tsv")]
pub(crate) struct Rerank {
    /// Folder of an index that has a cross-encoder
    dir: PathBuf,
    /// TREC run over documents of the index, or - for standard input
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Queries of the run: BEIR queries.jsonl, or TSV (id, text)
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    /// Rerank the first N documents of each query
    #[arg(long, default_value = "100", value_name = "N", value_parser = at_least_one())]
    depth: usize,
    /// File to write the new run to [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Last column of the new run
    #[arg(long, default_value = "treffer")]
    tag: String,
    /// Where models run: cpu, cuda or cuda:N [default: as the index's settings say]
    #[arg(long)]
    device: Option<Device>,
}

/// Has the run's documents scored and writes the run anew.
pub(crate) fn run(command: &Rerank, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    output::check_column(&command.tag, "tag", "a run")?;
    if let Some(path) = &command.output {
        output::check_target(path, "the run")?;
    }
    let lines = input::run_lines(&command.run)?;
    let run = input::run_in(&lines, &command.run)?;
    let queries = input::queries(&command.queries)?;
    let bars = Bars::cancellable()?;
    let cross = Some(vec![StageName::CROSS]);
    let engine = input::open_index(&command.dir, cross, command.device, global, &bars)?;
    let reranked = rerank(&engine, &run, &queries, command.depth, &bars)?;
    report(command, &reranked, &lines);
    output::write_run_to(command.output.as_deref(), &reranked.run, &command.tag)?;
    Ok(if reranked.run.0.is_empty() {
        Outcome::NothingFound
    } else {
        Outcome::Found
    })
}

/// Documents that the index does not hold are listed up to this many.
const UNKNOWN_SHOWN: usize = 10;

fn report(command: &Rerank, reranked: &Reranked, lines: &[u8]) {
    let path = command.run.display();
    let unknown = &reranked.unknown;
    if !unknown.is_empty() {
        let numbers = line_numbers(lines);
        for (query, doc) in unknown.iter().take(UNKNOWN_SHOWN) {
            let line = numbers.get(&(query.as_str(), doc.as_str()));
            let line = line.map_or_else(String::new, |line| format!(":{line}"));
            say(&format!(
                "skipped: {path}{line}: document `{doc}` is not in the index"
            ));
        }
        let documents = count(unknown.len() as u64, "document");
        note(&format!("{documents} of {path} not in the index: left out"));
    }
    let note_of = |n: usize, what: &str| {
        if n > 0 {
            note(&format!("{} {what}", count_queries(n)));
        }
    };
    let without_text = reranked.without_text.len();
    let given = command.queries.display();
    note_of(without_text, &format!("of {path} not in {given}: left out"));
    note_of(reranked.not_in_run, &format!("of {given} not in {path}"));
    let scored = count(reranked.n_read as u64, "document");
    let queries = count_queries(reranked.run.0.len());
    note(&format!("scored {scored} for {queries}"));
}

/// The first line of each query's documents, from 1.
fn line_numbers(lines: &[u8]) -> HashMap<(&str, &str), u64> {
    let mut numbers = HashMap::new();
    for (number, line) in (1_u64..).zip(lines.split(|byte| *byte == b'\n')) {
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        let mut columns = line.split_whitespace();
        if let (Some(query), Some(doc)) = (columns.next(), columns.nth(1)) {
            numbers.entry((query, doc)).or_insert(number);
        }
    }
    numbers
}
