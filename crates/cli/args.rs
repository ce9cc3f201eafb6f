//! What can be typed.

mod runs;

use std::path::PathBuf;

use clap::builder::{FalseyValueParser, RangedU64ValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use treffer_engine::Device;
use treffer_eval::Metric;
use treffer_fusion::Weights;
use treffer_types::StageName;

pub(crate) use runs::{Compare, Fuse, Rerank};

/// A multi-stage retrieval engine: BM25, a bi-encoder and a cross-encoder, fused
/// with weights that are tuned per index.
#[derive(Debug, Parser)]
#[command(name = "treffer", version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Folder in which pulled models are kept [default: the user's cache folder]
    #[arg(
        long,
        global = true,
        env = "TREFFER_MODELS",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(crate) models: Option<PathBuf>,
    /// Never use the network: a model that is not in the cache is an error
    // Any value but 0, no, false and the like switches it on, as people expect of a variable.
    #[arg(long, global = true, env = "TREFFER_OFFLINE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) offline: bool,
    /// Threads for the models [default: one per core]; results do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = at_least_one())]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an index from a corpus
    Index(Index),
    /// Search an index
    Search(Search),
    /// Measure every stage and the fusion against relevance judgements
    Eval(Eval),
    /// Find the fusion weights for an index on judged queries
    Tune(Tune),
    /// Tell why a document is found, or why it is not
    Explain(Explain),
    /// Tell whether runs differ by more than luck
    Compare(Compare),
    /// Fuse runs of any programs into one
    Fuse(Fuse),
    /// Have the cross-encoder read what any program ranked
    Rerank(Rerank),
    /// Let the cross-encoder judge queries that nobody has judged
    Judge(Judge),
    /// Show what an index holds, and check its files
    Info(Info),
    /// List, fetch and check models
    Model(Model),
    /// Index, search, measure and tune the sample corpus with real models
    Quickstart(Quickstart),
    /// Print a completion script for a shell
    Completions(Completions),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Index {
    /// Folder of the index
    pub(crate) dir: PathBuf,
    /// Corpus files (.jsonl, .csv, .tsv, each also .gz or .zst), BEIR folders, folders of .txt, .md and .html, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Start from a shipped configuration: english, german or fast
    #[arg(long, default_value = "english", conflicts_with = "config")]
    pub(crate) preset: String,
    /// Start from a configuration file of your own
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set a single key on top, as in dense.model=./my-model
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Format of the inputs [default: by file name; JSON lines for standard input]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) input_format: Option<InputFormat>,
    /// Column of a table that holds the id
    #[arg(long, value_name = "NAME")]
    pub(crate) id_column: Option<String>,
    /// Column of a table that holds the title
    #[arg(long, value_name = "NAME")]
    pub(crate) title_column: Option<String>,
    /// Column of a table that holds the text
    #[arg(long, value_name = "NAME")]
    pub(crate) text_column: Option<String>,
    /// Build anew where an index is already; the old one stays until the new one is complete
    #[arg(long)]
    pub(crate) replace: bool,
    /// Stop at the first bad record instead of reporting and skipping it
    #[arg(long)]
    pub(crate) strict: bool,
    /// Read and check everything, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum InputFormat {
    Jsonl,
    Csv,
    Tsv,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// Folder of the index
    pub(crate) dir: PathBuf,
    /// What to search for
    #[arg(required_unless_present = "queries", conflicts_with = "queries")]
    pub(crate) query: Option<String>,
    /// A file of queries instead: BEIR queries.jsonl, TSV (id, text), or plain lines
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: How,
    /// Most hits per query
    #[arg(long, short = 'k', default_value = "10", value_name = "N", value_parser = at_least_one())]
    pub(crate) top_k: usize,
    /// Show how each hit came to its score: raw, normalized and weighted score and rank by stage
    #[arg(long)]
    pub(crate) explain: bool,
    /// Add the time of each stage (JSON output is the same from run to run without it)
    #[arg(long)]
    pub(crate) timings: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: SearchFormat,
}

/// How to gather and fuse.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct How {
    /// Profile of the index to use
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub(crate) profile: String,
    /// Run only these stages: bm25, dense, cross
    #[arg(long, value_delimiter = ',', value_name = "STAGES")]
    pub(crate) stages: Option<Vec<StageName>>,
    /// Weights of bm25, dense and cross instead of the profile's, as in 0.2,0.3,0.5
    #[arg(long, value_name = "A,B,C", allow_hyphen_values = true)]
    pub(crate) weights: Option<Weights>,
    /// Set a key of the profile for this run, as in cross_depth=20
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Where models run: cpu, cuda or cuda:N; cpu:candle for f32 on the CPU [default: as the
    /// index's settings say]
    #[arg(long)]
    pub(crate) device: Option<Device>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SearchFormat {
    /// For people
    Table,
    /// One JSON object per query and line
    Json,
    /// A TREC run
    Trec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Table,
    /// One JSON object
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Judged {
    /// Folder of the index
    pub(crate) dir: PathBuf,
    /// Queries: BEIR queries.jsonl, or TSV (id, text)
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: PathBuf,
    /// Relevance judgements: BEIR TSV or TREC qrels, also .gz or .zst
    #[arg(long, value_name = "FILE")]
    pub(crate) qrels: PathBuf,
    #[command(flatten)]
    pub(crate) how: How,
    /// Use only the first N judged queries
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(crate) limit: Option<usize>,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) judged: Judged,
    /// What to measure
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "nDCG@10,MRR@10,MAP,Recall@100,P@10",
        value_name = "METRICS"
    )]
    pub(crate) metrics: Vec<Metric>,
    /// Break the first metric down by the queries' tags
    #[arg(long)]
    pub(crate) by_tag: bool,
    /// Write a TREC run for each row into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Write a report with plots and every query to this HTML file, which needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Measure, but write no runs and no report
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The profile is changed only if its gain, measured on queries that had no part in choosing,
is above 0 and significant at 0.05 after correction for all comparisons. Scores are gathered
once and kept in the index's folder, so that tuning again takes seconds.

Examples:
  treffer tune my-index --queries queries.jsonl --qrels qrels/train.tsv
  Look, but change nothing, and warn of queries that are also in the test:
    treffer tune my-index --queries queries.jsonl --qrels qrels/dev.tsv \\
      --held-out qrels/test.tsv --dry-run
  The best profile that answers in 200 ms, depths and normalizers included:
    treffer tune my-index --queries queries.jsonl --qrels qrels/train.tsv \\
      --search full --budget-ms 200 --save-as fast")]
pub(crate) struct Tune {
    #[command(flatten)]
    pub(crate) judged: Judged,
    /// What to maximize
    #[arg(long, default_value = "nDCG@10")]
    pub(crate) metric: Metric,
    /// What to search: the weights alone, or also normalizers, depths and the order of reading
    #[arg(long, value_enum, default_value = "weights", value_name = "SPACE")]
    pub(crate) search: SearchSpace,
    /// Most milliseconds that a query may take; with --search full
    #[arg(long, value_name = "N")]
    pub(crate) budget_ms: Option<f64>,
    /// Judgements of the queries that will be the test: warn of those that also choose
    #[arg(long, value_name = "QRELS")]
    pub(crate) held_out: Option<PathBuf>,
    /// Grow trees that correct the weights, and use them if they earn it
    #[arg(long)]
    pub(crate) learn: bool,
    /// Gather anew, and keep no scores
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Distance of two weights on the grid; 1 must be a multiple of it
    #[arg(long, default_value_t = 0.05)]
    pub(crate) step: f64,
    /// Folds of the cross-validation
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub(crate) folds: usize,
    /// Seed of the folds and of the bootstrap
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Write the winner to a profile of this name instead
    #[arg(long, value_name = "NAME")]
    pub(crate) save_as: Option<String>,
    /// Write the winner even if the gain may be chance
    #[arg(long)]
    pub(crate) force: bool,
    /// Write a report with plots and every query to this HTML file, which needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Report, but leave the profile alone
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SearchSpace {
    /// The weights alone
    Weights,
    /// Weights, normalizers, depths, and the order in which the cross-encoder reads
    Full,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  treffer explain my-index 'quiet fridge' doc-17
  Would deeper first stages have found it?
    treffer explain my-index 'quiet fridge' doc-17 --set bm25_depth=500")]
pub(crate) struct Explain {
    /// Folder of the index
    pub(crate) dir: PathBuf,
    /// What was searched for
    pub(crate) query: String,
    /// Id of the document
    pub(crate) doc: String,
    #[command(flatten)]
    pub(crate) how: How,
    /// How many hits are good enough
    #[arg(long, short = 'k', default_value = "10", value_name = "N", value_parser = at_least_one())]
    pub(crate) top_k: usize,
    /// Distance of two weights that are tried; 1 must be a multiple of it
    #[arg(long, default_value_t = 0.05)]
    pub(crate) step: f64,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The second column of the judgements says judge:MODEL, and eval, tune and compare warn of it:
they measure agreement with that model, not relevance.

Examples:
  treffer judge my-index --queries queries.jsonl --output pseudo.qrels
  treffer judge my-index --queries queries.jsonl --depth 20 --thresholds 0.5 > pseudo.qrels")]
pub(crate) struct Judge {
    /// Folder of the index
    pub(crate) dir: PathBuf,
    /// Queries: BEIR queries.jsonl, TSV (id, text), or plain lines
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: PathBuf,
    /// File to write TREC qrels to [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    pub(crate) replace: bool,
    /// How many candidates of each query are read
    #[arg(long, default_value = "100", value_name = "N", value_parser = at_least_one())]
    pub(crate) depth: usize,
    /// Probabilities (the sigmoid of the logit) from which on the grade is 1, 2, 3
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0.5,0.9,0.99",
        value_name = "P,..."
    )]
    pub(crate) thresholds: Vec<f64>,
    /// Profile of the index whose candidates are read
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub(crate) profile: String,
    /// Where models run: cpu, cuda or cuda:N [default: as the index's settings say]
    #[arg(long)]
    pub(crate) device: Option<Device>,
    /// Say what would be judged
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Folder of the index
    pub(crate) dir: PathBuf,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Model {
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the models known by name
    List {
        /// Form of the output
        #[arg(long, value_enum, default_value = "table")]
        format: ReportFormat,
    },
    /// Fetch models into the cache
    Pull {
        /// Names from `treffer model list`, or hf:ORGANIZATION/NAME
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Fetch again even if it is there
        #[arg(long)]
        force: bool,
        /// Say what would be fetched
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare pulled models with their pinned checksums
    Verify {
        /// Names [default: every model that was pulled]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Print the folder of a model
    Path {
        /// A name from `treffer model list`, or hf:ORGANIZATION/NAME
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Quickstart {
    /// Folder for the sample and its index
    #[arg(default_value = "treffer-quickstart")]
    pub(crate) dir: PathBuf,
    /// Say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}
