//! `treffer search`: queries to hits.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use treffer_api::{DEFAULT_PROFILE, FacetRequest, SearchOptions, SearchResponse};
use treffer_disk::read_text;
use treffer_engine::pipeline::{Available, Pipeline};
use treffer_engine::profiles::Profiles;
use treffer_engine::settings_file::read_both;
use treffer_engine::stages::Registry;
use treffer_types::{Query, StageName, stage_list};

use crate::deadline::Cuts;
use crate::format::RankingFormat;
use crate::options::{Global, ProfileArgs, QueryArgs, ReadArgs, at_least_one, facet};
use crate::progress::Bars;
use crate::terminal::{Reader, Stdout, note, shows_styles};
use crate::{Outcome, input, output};

mod answer;
mod excerpt;

use answer::Answer;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  treffer search my-index 'quiet fridge' --filter 'brand:Kirsch AND volume_l:[200 TO 300]'
  Without a query, documents are listed:
    treffer search my-index --filter 'NOT discontinued:true' --sort -price --facet brand
Filters (capitals count):
  field:value  field:\"a value\"  field:(a OR b)  field:pre*  field:*
  field:[1 TO 5]  field:{1 TO *]  field:>=1  field:<2020-03
  AND  OR  NOT  ( )")]
pub(crate) struct Search {
    /// Folder of the index
    dir: PathBuf,
    /// What to search for; without it, and with --filter, --facet or --sort, documents are listed
    #[arg(
        required_unless_present_any = ["queries", "vector", "filter", "facets", "sort"],
        conflicts_with = "queries"
    )]
    query: Option<String>,
    /// A file of queries instead: BEIR queries.jsonl, a table (id, text), TREC topics, or
    /// plain lines
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,
    /// The query's vector, instead of what the bi-encoder makes of its text: a JSON array of
    /// numbers, or a file that holds one. A file of queries has it in the field `vector`
    #[arg(long, value_name = "VECTOR", conflicts_with = "queries")]
    vector: Option<String>,
    /// Search only documents that this holds for, as in 'brand:Kirsch AND price:<500'
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Count the values of a field in all documents that the filter holds for: FIELD, or FIELD:N
    /// for the N most frequent [default: 10]; can be repeated
    #[arg(long = "facet", value_name = "FIELD", value_parser = facet)]
    facets: Vec<FacetRequest>,
    /// Order by a field instead of the score, the lowest value first, or the highest with -FIELD
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    #[command(flatten)]
    query_args: QueryArgs,
    #[command(flatten)]
    reading: ReadArgs,
    /// Leave the document with the query's id out of its results: for collections in which
    /// queries are documents
    #[arg(long)]
    exclude_self: bool,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Most hits per query
    #[arg(long, short = 'k', default_value = "10", value_name = "N", value_parser = at_least_one())]
    top_k: usize,
    /// Most passages per hit, the best first
    #[arg(long, default_value = "1", value_name = "N", value_parser = at_least_one())]
    passages: usize,
    /// Mark in each passage the sentence that answers best; the models read every sentence of
    /// the hits
    #[arg(long)]
    answers: bool,
    /// Explain each hit: raw, normalized and weighted score and rank by stage
    #[arg(long)]
    explain: bool,
    /// Add the time of each stage (JSON output is the same from run to run without it)
    #[arg(long)]
    timings: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: RankingFormat,
}

/// Queries that models encode in one pass.
const BATCH: usize = 64;

/// Answers one query or a file of them.
pub(crate) fn run(command: &Search, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    refuse_without_file(command)?;
    refuse_for_run(command)?;
    let mut inputs = input::Inputs::new(&command.reading)?;
    let mut queries = match (&command.query, &command.queries) {
        (Some(_), _) | (None, None) if command.vector.is_some() => {
            let text = command.query.clone().unwrap_or_default();
            vec![Query {
                vector: command.vector.as_deref().map(vector).transpose()?,
                ..Query::text(text)
            }]
        }
        (Some(text), _) => vec![Query::text(text)],
        (None, Some(path)) => inputs.queries(path, &command.query_args)?,
        (None, None) => Vec::new(), // clap asks for one of them
    };
    inputs.finish()?;
    if command.format == RankingFormat::Trec {
        for query in queries.iter().filter(|query| !query.id.is_empty()) {
            output::check_column(&query.id, "query id", "a run")?;
        }
    }
    let options = SearchOptions {
        top_k: command.top_k,
        passages: command.passages,
        highlight: command.format != RankingFormat::Trec,
        sentences: command.answers,
        explain: command.explain,
        timings: command.timings,
        filter: command.filter.clone(),
        facets: command.facets.clone(),
        sort: command.sort.clone(),
        ..command.profile.options()
    };
    if is_list(command) {
        return browse(command, &options, global);
    }
    let stages = stages_to_open(command, &options)?;
    let bars = Bars::new();
    let (profile, time) = (&command.profile, input::Time::OfSearch);
    let engine = input::open_profiled(&command.dir, profile, Some(stages), time, global, &bars)?;
    refuse_idle_weights(command, &engine.stages())?;
    if command.vector.is_some() {
        input::refuse_idle_vectors("--vector", &engine)?;
    }
    input::exclude_self_if(command.exclude_self, &engine, &mut queries)?;
    let profiles = Profiles::of(&engine, &options)?;
    let profiles = profiles.all();
    let searcher = engine.searcher(&options)?;

    // Times and deadlines mean something only where a query runs by itself.
    let has_deadline = profiles.iter().any(|one| one.deadline_ms.is_some());
    let is_timed = command.timings || has_deadline;
    let batches = queries.chunks(if is_timed { 1 } else { BATCH });
    let (mut outcome, mut cuts) = (Outcome::NothingFound, Cuts::default());
    let mut said = None;
    let mut out = Stdout::open();
    'batches: for batch in batches {
        for response in searcher.search_batch(batch)? {
            cuts.add(&response.stages);
            said = said.or_else(|| response.note.clone());
            if !response.hits.is_empty() {
                outcome = Outcome::Found;
            }
            if print(command, &response, &mut out)? == Reader::Gone {
                break 'batches;
            }
        }
    }
    out.finish()?;
    cuts.report(profiles);
    if let Some(said) = said {
        note(&said);
    }
    Ok(outcome)
}

/// Whether nothing is searched for.
fn is_list(command: &Search) -> bool {
    command.query.is_none() && command.queries.is_none() && command.vector.is_none()
}

/// Lists documents without searching for anything. Loads no models.
fn browse(command: &Search, options: &SearchOptions, global: &Global) -> Result<Outcome> {
    refuse_without_query(command)?;
    let bars = Bars::new();
    let engine = input::open_index(&command.dir, Some(Vec::new()), None, global, &bars)?;
    let response = engine.browse(options)?;
    let mut out = Stdout::open();
    print(command, &response, &mut out)?;
    out.finish()?;
    if let Some(said) = &response.note {
        note(said);
    }
    Ok(if response.hits.is_empty() {
        Outcome::NothingFound
    } else {
        Outcome::Found
    })
}

/// What is said of a search must have a query.
fn refuse_without_query(command: &Search) -> Result<()> {
    let profile = &command.profile;
    let flags = [
        ("--profile", profile.profile != DEFAULT_PROFILE),
        ("--stages", profile.stages.is_some()),
        ("--weights", profile.weights.is_some()),
        ("--set", !profile.overrides.is_empty()),
        ("--now", profile.now.is_some()),
        ("--device", profile.device.is_some()),
        ("--passages", command.passages != 1),
        ("--answers", command.answers),
        ("--explain", command.explain),
        ("--timings", command.timings),
        ("--format trec", command.format == RankingFormat::Trec),
    ];
    match flags.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => bail!("{flag} needs a query: without one, no stage runs"),
        None => Ok(()),
    }
}

/// A run is ordered by its scores, and has nothing but them.
fn refuse_for_run(command: &Search) -> Result<()> {
    if command.format != RankingFormat::Trec {
        return Ok(());
    }
    if command.sort.is_some() {
        bail!("a TREC run is ordered by score; leave out --sort, or use --format json");
    }
    let flags = [
        ("--facet", !command.facets.is_empty()),
        ("--passages", command.passages != 1),
        ("--answers", command.answers),
        ("--explain", command.explain),
        ("--timings", command.timings),
    ];
    match flags.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => bail!(
            "a TREC run has documents and their scores alone; leave out {flag}, or use --format json"
        ),
        None => Ok(()),
    }
}

/// A vector as it was typed, or from a file.
fn vector(given: &str) -> Result<Vec<f32>> {
    let text = if given.trim_start().starts_with('[') {
        given.to_owned()
    } else {
        read_text(Path::new(given), 16 << 20).context("could not read the vector")?
    };
    // Programs of Windows begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let value = serde_json::from_str(text).context("the vector is not valid JSON")?;
    treffer_corpus::vector(&value).map_err(|reason| anyhow!("{reason}"))
}

fn print(command: &Search, response: &SearchResponse, out: &mut Stdout) -> Result<Reader> {
    let answer = Answer {
        response,
        is_one_of_many: command.queries.is_some(),
        is_list: is_list(command),
        is_filtered: command.filter.is_some(),
        is_sorted: command.sort.is_some(),
        explain: command.explain,
        timings: command.timings,
        has_styles: shows_styles(),
    };
    out.print(|out| command.format.write(&answer, out))
}

/// What is said of a file of queries must have one.
fn refuse_without_file(command: &Search) -> Result<()> {
    let (args, reading) = (&command.query_args, &command.reading);
    let flags = [
        ("--exclude-self", command.exclude_self),
        ("--query-format", args.query_format.is_some()),
        ("--topic-fields", args.topic_fields.is_some()),
        ("--encoding", reading.encoding.is_some()),
        ("--problems", reading.problems.is_some()),
    ];
    match flags.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) if command.queries.is_none() => {
            bail!("{flag} needs --queries: it is about a file of queries")
        }
        _ => Ok(()),
    }
}

/// Weights that were asked for must weigh something that runs.
fn refuse_idle_weights(command: &Search, stages: &[StageName]) -> Result<()> {
    match &command.profile.weights {
        Some(weights) if stages.iter().all(|stage| weights.weight(*stage) == 0.0) => {
            bail!(
                "--weights {weights} gives nothing to what runs here: {}",
                stage_list(stages)
            )
        }
        _ => Ok(()),
    }
}

/// The stages whose models are needed; a cross-encoder without weight is not.
fn stages_to_open(command: &Search, options: &SearchOptions) -> Result<Vec<StageName>> {
    if let Some(stages) = &options.stages {
        return Ok(stages.clone());
    }
    let (manifest, current) = read_both(&command.dir)?;
    let profile = current.settings.profile_for(options)?;
    let of_fields = &current.settings.field_stages;
    let available =
        Available::in_index(&manifest, Registry::standard()).with_field_stages(of_fields);
    let mut stages = Pipeline::effective(&profile, &available)?.stages().to_vec();
    for name in profile.by_language.values() {
        let other = current.settings.profile_for(&options.with_profile(name))?;
        stages.extend(Pipeline::effective(&other, &available)?.stages());
    }
    // In the order in which they run, each once.
    let names = available.names().into_iter();
    Ok(names.filter(|stage| stages.contains(stage)).collect())
}
