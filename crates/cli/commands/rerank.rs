//! `treffer rerank`: reranks a run of any program with the cross-encoder.

use std::path::PathBuf;

use anyhow::Result;
use treffer_corpus::Rankings;
use treffer_engine::Device;
use treffer_engine::rerank::{Reranked, rerank};
use treffer_engine::runs::run_of;
use treffer_report::text::{count, count_queries};
use treffer_types::StageName;

use crate::options::{Global, QueryArgs, ReadArgs, at_least_one};
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
    /// Queries of the run: BEIR queries.jsonl, a table (id, text), or TREC topics
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    #[command(flatten)]
    query_args: QueryArgs,
    #[command(flatten)]
    reading: ReadArgs,
    /// Leave the document with the query's id out of its ranking
    #[arg(long)]
    exclude_self: bool,
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
    let bars = Bars::cancellable()?;
    let mut inputs = input::Inputs::new(&command.reading)?.stopped_by(&bars);
    let rankings = inputs.rankings(&command.run)?;
    let mut queries = inputs.queries(&command.queries, &command.query_args)?;
    inputs.finish()?;
    let cross = Some(vec![StageName::CROSS]);
    let engine = input::open_index(&command.dir, cross, command.device, global, &bars)?;
    input::exclude_self_if(command.exclude_self, &engine, &mut queries)?;
    let run = run_of(rankings.clone());
    let reranked = rerank(&engine, &run, &queries, command.depth, &bars)?;
    report(command, &reranked, &rankings);
    output::write_run_to(command.output.as_deref(), &reranked.run, &command.tag)?;
    Ok(if reranked.run.0.is_empty() {
        Outcome::NothingFound
    } else {
        Outcome::Found
    })
}

/// Documents that the index does not hold are listed up to this many.
const UNKNOWN_SHOWN: usize = 10;

fn report(command: &Rerank, reranked: &Reranked, rankings: &Rankings) {
    let path = command.run.display();
    let unknown = &reranked.unknown;
    if !unknown.is_empty() {
        for (query, doc) in unknown.iter().take(UNKNOWN_SHOWN) {
            let mut documents = rankings.get(query).into_iter().flatten();
            let document = documents.find(|document| document.doc == *doc);
            let line = document.map_or_else(String::new, |found| format!(":{}", found.line));
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
    let scored = count(reranked.n_scored as u64, "document");
    let queries = count_queries(reranked.run.0.len());
    note(&format!("scored {scored} for {queries}"));
}
