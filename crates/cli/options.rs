//! Arguments that several commands share.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{
    FalseyValueParser, PossibleValuesParser, RangedU64ValueParser, TypedValueParser,
};
use treffer_api::{FacetRequest, SearchOptions};
use treffer_corpus::{Encoding, JudgmentFormat, QueryFormat, TopicField};
use treffer_engine::Device;
use treffer_engine::fields::Date;
use treffer_engine::self_retrieval::ExcludeSelf;
use treffer_fusion::Weights;
use treffer_types::{StageMap, StageName};

use crate::format::ResultFormat;

/// A whole number from 1.
pub(crate) fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// More threads than any machine has processors: starting a million would take all memory.
fn threads() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1024)
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
    #[arg(long, global = true, value_name = "N", value_parser = threads())]
    pub(crate) threads: Option<usize>,
}

/// A profile, and what is to differ from it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ProfileArgs {
    /// Profile of the index to use
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub(crate) profile: String,
    /// Run only these stages: bm25, dense, late, cross, and those under [field_stages]
    #[arg(long, value_delimiter = ',', value_name = "STAGES")]
    pub(crate) stages: Option<Vec<StageName>>,
    /// Weights instead of the profile's, with sum 1: by name, as in bm25=0.4,dense=0.6, or
    /// those of bm25, dense and cross, as in 0.2,0.3,0.5
    #[arg(long, value_name = "WEIGHTS", allow_hyphen_values = true, value_parser = weights)]
    pub(crate) weights: Option<Weights>,
    /// Set a key of the profile for this run, as in cross_depth=20
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// The date from which stages with the origin `now` count, as 2024-06-30 [default: the time
    /// of the search; eval and tune have none]
    #[arg(long, value_name = "DATE")]
    pub(crate) now: Option<Date>,
    /// Where models run: cpu, cuda or cuda:N; cpu:candle for f32 on the CPU [default: as the
    /// index's settings say]
    #[arg(long)]
    pub(crate) device: Option<Device>,
}

impl ProfileArgs {
    /// As an engine takes them.
    pub(crate) fn options(&self) -> SearchOptions {
        SearchOptions {
            profile: self.profile.clone(),
            set: self.overrides.clone(),
            stages: self.stages.clone(),
            weights: self.weights.clone().map(StageMap::from),
            ..SearchOptions::default()
        }
    }
}

/// A field whose values are counted, and how many of them are shown: `brand` or `brand:20`.
pub(crate) fn facet(text: &str) -> Result<FacetRequest, String> {
    let Some((field, top)) = text.rsplit_once(':') else {
        return Ok(FacetRequest::of(text));
    };
    match top.parse() {
        Ok(top) if top > 0 && !field.is_empty() => Ok(FacetRequest {
            field: field.to_owned(),
            top,
        }),
        _ => Err("it is a field, or a field and how many values to show, as in brand:20".into()),
    }
}

/// Weights, whose stages the index knows.
fn weights(text: &str) -> Result<Weights, String> {
    text.parse().map_err(|error| one_line(&error))
}

/// An error with its causes.
fn one_line(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", one_line(source)),
        None => error.to_string(),
    }
}

/// How files are read, whatever is in them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReadArgs {
    /// Encoding of inputs without a byte order mark, as in windows-1252 [default: UTF-8]
    #[arg(long, value_name = "NAME")]
    pub(crate) encoding: Option<Encoding>,
    /// Write all bad records to this file; of each kind, ten are shown
    #[arg(long, value_name = "FILE")]
    pub(crate) problems: Option<PathBuf>,
}

/// How queries are read.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct QueryArgs {
    /// Format of the queries [default: by their start or the file name; JSON lines for -]
    #[arg(long, value_name = "FORMAT", value_parser = query_format())]
    pub(crate) query_format: Option<QueryFormat>,
    /// Fields of TREC topics that make up a query: title, desc, narr [default: title]
    #[arg(long, value_delimiter = ',', value_name = "FIELDS")]
    pub(crate) topic_fields: Option<Vec<TopicField>>,
}

fn query_format() -> impl TypedValueParser<Value = QueryFormat> {
    PossibleValuesParser::new(QueryFormat::ALL.map(QueryFormat::as_str))
        .try_map(|name| name.parse::<QueryFormat>())
}

/// How judgments are read.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct QrelsArgs {
    /// Format of the judgments [default: by their first line; a table if the name is .csv]
    #[arg(long, value_name = "FORMAT", value_parser = judgment_format())]
    pub(crate) qrels_format: Option<JudgmentFormat>,
}

fn judgment_format() -> impl TypedValueParser<Value = JudgmentFormat> {
    PossibleValuesParser::new(JudgmentFormat::ALL.map(JudgmentFormat::as_str))
        .try_map(|name| name.parse::<JudgmentFormat>())
}

/// When the document that has the query's id is left out of its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Excluding {
    /// If it is the query itself: of the same text, and not judged
    Auto,
    /// Whatever its text
    Always,
    /// Never
    Never,
}

impl From<Excluding> for ExcludeSelf {
    fn from(excluding: Excluding) -> Self {
        match excluding {
            Excluding::Auto => ExcludeSelf::SameText,
            Excluding::Always => ExcludeSelf::Always,
            Excluding::Never => ExcludeSelf::Never,
        }
    }
}

/// Judged queries, and how an index is searched for them.
#[derive(Debug, clap::Args)]
pub(crate) struct JudgedArgs {
    /// Folder of the index
    pub(crate) dir: PathBuf,
    /// Queries: BEIR queries.jsonl, a table (id, text), TREC topics, or plain lines
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: PathBuf,
    /// Relevance judgments: BEIR TSV, TREC qrels or CSV, also .gz or .zst
    #[arg(long, value_name = "FILE")]
    pub(crate) qrels: PathBuf,
    #[command(flatten)]
    pub(crate) query_args: QueryArgs,
    /// Vectors of the queries in NumPy's format (.npy): a row for each query of the file, in
    /// their order, judged or not
    #[arg(long, value_name = "FILE")]
    pub(crate) query_vectors: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) qrels_args: QrelsArgs,
    #[command(flatten)]
    pub(crate) reading: ReadArgs,
    /// Leave the document with the query's id out of its results: for collections in which
    /// queries are documents, such as ArguAna
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        num_args = 0..=1,
        require_equals = true,
        default_value = "auto",
        default_missing_value = "always"
    )]
    pub(crate) exclude_self: Excluding,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    /// Search every query under this filter, as `search --filter` does; documents that it
    /// excludes are not relevant, and how many were judged so is reported
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// Use only the first N judged queries
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(crate) limit: Option<usize>,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: ResultFormat,
}

impl JudgedArgs {
    /// As an engine takes them.
    pub(crate) fn options(&self) -> SearchOptions {
        SearchOptions {
            filter: self.filter.clone(),
            ..self.profile.options()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_facet_is_a_field_and_a_number() {
        assert_eq!(facet("size.width").unwrap(), FacetRequest::of("size.width"));
        let three = facet("brand:3").unwrap();
        assert_eq!((three.field.as_str(), three.top), ("brand", 3));
        for wrong in ["brand:", "brand:x", "brand:0", ":3"] {
            assert!(facet(wrong).is_err(), "{wrong}");
        }
    }
}
