//! What can be typed of runs that other programs made.

use std::path::PathBuf;

use treffer_engine::Device;
use treffer_eval::Metric;
use treffer_fusion::Normalizer;

use super::{ReportFormat, at_least_one};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  Is the new system better than the old one, or lucky?
    treffer compare old.trec new.trec --qrels qrels/test.tsv
  Several against one baseline, corrected for their number:
    treffer compare bm25.trec dense.trec hybrid.trec --qrels qrels.txt --metrics nDCG@10,MAP
  Every query with its difference:
    treffer compare old.trec new.trec --qrels qrels.txt --per-query")]
pub(crate) struct Compare {
    /// TREC run, also .gz or .zst, that the others are compared with
    pub(crate) baseline: PathBuf,
    /// TREC runs to compare with it
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Relevance judgements: BEIR TSV or TREC qrels, also .gz or .zst
    #[arg(long, value_name = "FILE")]
    pub(crate) qrels: PathBuf,
    /// What to measure
    #[arg(
        long,
        alias = "metric",
        value_delimiter = ',',
        default_value = "nDCG@10",
        value_name = "METRICS"
    )]
    pub(crate) metrics: Vec<Metric>,
    /// Seed of the bootstrap and of the randomization test
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// List every query, not only those that differ most
    #[arg(long)]
    pub(crate) per_query: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: ReportFormat,
}

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

A document that a run lacks counts as that run's worst. Ties are ordered by document id.

Examples:
  treffer fuse bm25.trec dense.trec --rrf > fused.trec
  treffer fuse bm25.trec dense.trec --weights 0.3,0.7 --output fused.trec
  treffer fuse bm25.trec dense.trec cross.trec --weights 2,3,5 \\
    --normalizer theoretical-min:0 --normalizer theoretical-min:-1 --normalizer sigmoid:1:0")]
pub(crate) struct Fuse {
    /// TREC runs, also .gz or .zst
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Weight of each run, in their proportion [default: all the same]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B,...",
        allow_hyphen_values = true
    )]
    pub(crate) weights: Option<Vec<f64>>,
    /// How scores reach one scale: once for all runs, or once for each [default: min-max]
    #[arg(long, value_name = "NORMALIZER", allow_hyphen_values = true)]
    pub(crate) normalizer: Vec<Normalizer>,
    /// Reciprocal rank fusion: the sum of 1 / (k + rank)
    #[arg(long, conflicts_with = "normalizer")]
    pub(crate) rrf: bool,
    /// The k of reciprocal rank fusion
    #[arg(long, default_value_t = 60, requires = "rrf")]
    pub(crate) k: u32,
    /// Look at the first N documents of each run and query only
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(crate) depth: Option<usize>,
    /// Most documents per query to write [default: all]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(crate) top_k: Option<usize>,
    /// File to write the fused run to [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Last column of the fused run
    #[arg(long, default_value = "treffer")]
    pub(crate) tag: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Documents that the index does not hold are reported and left out. What is not read keeps its
order below what is.

Examples:
  treffer rerank my-index bm25.trec --queries queries.jsonl --output reranked.trec
  Did reading help?
    treffer compare bm25.trec reranked.trec --qrels qrels/test.tsv")]
pub(crate) struct Rerank {
    /// Folder of an index that has a cross-encoder
    pub(crate) dir: PathBuf,
    /// TREC run over documents of the index, or - for standard input
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Queries of the run: BEIR queries.jsonl, or TSV (id, text)
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: PathBuf,
    /// Read the first N documents of each query
    #[arg(long, default_value = "100", value_name = "N", value_parser = at_least_one())]
    pub(crate) depth: usize,
    /// File to write the new run to [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Last column of the new run
    #[arg(long, default_value = "treffer")]
    pub(crate) tag: String,
    /// Where models run: cpu, cuda or cuda:N [default: as the index's settings say]
    #[arg(long)]
    pub(crate) device: Option<Device>,
}
