//! `treffer rerank`: reranks a run of any program over an index, or texts without one.

use std::path::PathBuf;

use anyhow::{Result, bail};
use treffer_engine::Device;

use crate::Outcome;
use crate::options::{Global, QueryArgs, ReadArgs, at_least_one};

mod run;
mod texts;

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "\
treffer rerank [OPTIONS] <DIR> <RUN> --queries <FILE>
       treffer rerank [OPTIONS] < TEXTS.jsonl",
    after_help = "\
With an index, a run of any program over its documents is ordered anew. Documents that the index
does not hold are reported and left out. Documents below the depth keep their order, below all
that were reranked.

Without one, each line of standard input is a query with texts,
  {\"query\": \"...\", \"texts\": [\"...\", {\"id\": \"...\", \"title\": \"...\", \"text\": \"...\"}]}
(also `documents`; maybe with an `id` and `top_k`), and is answered at once by one line:
  {\"query\": \"...\", \"results\": [{\"index\": 1, \"score\": 2.1, \"probability\": 0.89, \"tokens_cut\": 0}]}
best first. A score is the model's own: a logit, with its sigmoid as the probability, or an expected
grade, with the nearest `grade`. `tokens_cut` counts the tokens at a text's end that did not fit.

Examples:
  treffer rerank my-index bm25.trec --queries queries.jsonl --output reranked.trec
  Did reranking help?
    treffer compare bm25.trec reranked.trec --qrels qrels/test.tsv
  echo '{\"query\": \"cold\", \"texts\": [\"an oven\", \"a fridge\"]}' | treffer rerank"
)]
pub(crate) struct Rerank {
    /// Folder of an index that has a cross-encoder
    #[arg(requires_all = ["run", "queries"])]
    dir: Option<PathBuf>,
    /// TREC run over documents of the index, or - for standard input
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    #[command(flatten)]
    with_index: WithIndex,
    #[command(flatten)]
    without_index: WithoutIndex,
    #[command(flatten)]
    reading: ReadArgs,
    /// Where models run: cpu, cuda or cuda:N [default: as the index's settings say, else cpu]
    #[arg(long)]
    device: Option<Device>,
}

/// What concerns a run.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With an index")]
struct WithIndex {
    /// Queries of the run: BEIR queries.jsonl, a table (id, text), or TREC topics
    #[arg(long, value_name = "FILE", requires = "dir")]
    queries: Option<PathBuf>,
    #[command(flatten)]
    query_args: QueryArgs,
    /// Leave the document with the query's id out of its ranking
    #[arg(long, requires = "dir")]
    exclude_self: bool,
    /// Rerank the first N documents of each query
    #[arg(long, default_value = "100", value_name = "N", requires = "dir", value_parser = at_least_one())]
    depth: usize,
    /// File to write the new run to [default: standard output]
    #[arg(long, value_name = "FILE", requires = "dir")]
    output: Option<PathBuf>,
    /// Last column of the new run
    #[arg(long, default_value = "treffer", requires = "dir")]
    tag: String,
}

/// What concerns texts.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Without an index")]
struct WithoutIndex {
    /// File of queries with texts, also .gz or .zst [default: standard input]
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    texts: Option<PathBuf>,
    /// Cross-encoder, by name as in `treffer model list` [default: that of the preset english]
    #[arg(long, value_name = "NAME", conflicts_with = "dir")]
    model: Option<String>,
    /// Most texts in an answer; a line's own `top_k` comes first [default: all]
    #[arg(long, short = 'k', value_name = "N", conflicts_with = "dir", value_parser = at_least_one())]
    top_k: Option<usize>,
}

/// Reranks what was given.
pub(crate) fn run(command: &Rerank, global: &Global) -> Result<Outcome> {
    let queries = command.with_index.queries.as_deref();
    match (&command.dir, &command.run, queries) {
        (Some(dir), Some(run), Some(queries)) => {
            let given = run::Given { dir, run, queries };
            run::run(command, &given, global)
        }
        _ => {
            refuse_without_queries(&command.with_index.query_args)?;
            texts::run(command, global)
        }
    }
}

/// How queries are read concerns only a file of queries.
fn refuse_without_queries(args: &QueryArgs) -> Result<()> {
    let flags = [
        ("--query-format", args.query_format.is_some()),
        ("--topic-fields", args.topic_fields.is_some()),
    ];
    match flags.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => bail!("{flag} needs an index and --queries: it is about their file"),
        None => Ok(()),
    }
}
