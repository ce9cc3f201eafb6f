//! `treffer tune`: the fusion weights that suit an index, and whether they are a gain.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use treffer_engine::Engine;
use treffer_engine::api::SearchOptions;
use treffer_engine::pipeline::{Available, Pipeline};
use treffer_engine::profile::{Profile, QueryFingerprints};
use treffer_engine::stages::Registry;
use treffer_engine::topics::{TopicFilter, Topics};
use treffer_engine::tune::{
    DRAWS, Decision, Prior, ScoresOrigin, Search, TuneReport, TuneRequest, Tuned, Winner, adopt,
    tune,
};
use treffer_eval::Metric;
use treffer_report::Experiment;
use treffer_report::text::count_queries;
use treffer_types::{Query, stage_list};

use crate::date::today;
use crate::options::{Global, JudgedArgs};
use crate::progress::Bars;
use crate::terminal::{note, warn};
use crate::{Outcome, input, output, report};

mod shown;
mod tuning;

use shown::described;
use tuning::Tuning;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The profile is changed only if its gain, measured on queries that had no part in choosing,
is above 0 and significant at 0.05 after correction for all comparisons. The weights are the
mean of all that are within one standard error of the best, those near the prior counting
more: with few queries they stay near the preset's, with many the queries decide. Scores are
gathered once and cached in the index's folder, so that tuning again takes seconds.

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
    judged: JudgedArgs,
    /// What to maximize
    #[arg(long, default_value = "nDCG@10")]
    metric: Metric,
    /// What to search: the weights alone, or also normalizers, depths and the reranking order
    #[arg(long, value_enum, default_value = "weights", value_name = "SPACE")]
    search: SearchSpace,
    /// What the weights are drawn towards, the more the fewer the queries
    #[arg(long, value_enum, default_value = "preset", value_name = "WEIGHTS")]
    prior: PriorWeights,
    /// Most milliseconds that a query may take; with --search full
    #[arg(long, value_name = "N")]
    budget_ms: Option<f64>,
    /// Judgments of the test queries: warn of those whose text is also used for tuning
    #[arg(long, value_name = "QRELS")]
    held_out: Option<PathBuf>,
    /// The test queries [default: those of --queries that --held-out judges]
    #[arg(long, value_name = "FILE", requires = "held_out")]
    held_out_queries: Option<PathBuf>,
    /// Grow trees that correct the weights, and use them if they are a significant gain
    #[arg(long)]
    learn: bool,
    /// Gather anew, and cache no scores
    #[arg(long)]
    no_cache: bool,
    /// Distance of two weights on the grid; 1 must be a multiple of it
    #[arg(long, default_value_t = 0.05)]
    step: f64,
    /// Folds of the cross-validation
    #[arg(long, default_value_t = 5, value_name = "K")]
    folds: usize,
    /// Seed of the folds and of the bootstrap
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Write the winner to a profile of this name instead
    #[arg(long, value_name = "NAME")]
    save_as: Option<String>,
    /// Write the winner even if the gain is not significant
    #[arg(long)]
    force: bool,
    /// Write a report with plots and every query to this HTML file, which needs nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Report, but do not change the profile
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SearchSpace {
    /// The weights alone
    Weights,
    /// Weights, normalizers, depths, and the order in which candidates are reranked
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PriorWeights {
    /// Those of the preset with the same stages and models; without one, the profile's own if it
    /// was never tuned, or else equal ones
    Preset,
    /// Equal weights
    Equal,
    /// Nothing: of the weights within one standard error of the best, those nearest to the
    /// current ones are taken
    None,
}

/// Tunes, writes the winner into the index's settings if it is a gain, and reports.
pub(crate) fn run(command: &Tune, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    let judged = &command.judged;
    let steps = input::steps(command.step)?;
    if let Some(path) = &command.report {
        output::check_target(path, "the report")?;
    }
    let bars = Bars::cancellable()?;
    let mut inputs = input::Inputs::new(&judged.reading)?.stopped_by(&bars);
    let options = judged.options();
    let (stages, time) = (options.stages.clone(), input::Time::Given);
    let engine = input::open_profiled(&judged.dir, &judged.profile, stages, time, global, &bars)?;
    let profile = engine.profile(&options)?;
    let queries = inputs.judged_queries(&engine, judged)?;
    let held_out = HeldOut::read(command, &queries, &mut inputs)?;
    let topics = inputs.topics_of(&engine, judged, queries)?;
    inputs.finish()?;
    let request = TuneRequest {
        profile: &profile,
        stages: options.stages.as_deref(),
        metric: command.metric,
        search: match command.search {
            SearchSpace::Weights => Search::Weights,
            SearchSpace::Full => Search::Full,
        },
        prior: match command.prior {
            PriorWeights::Preset => Prior::Preset,
            PriorWeights::Equal => Prior::Equal,
            PriorWeights::None => Prior::None,
        },
        steps,
        folds: command.folds,
        seed: command.seed,
        draws: DRAWS,
        budget_ms: command.budget_ms,
        cache: !command.no_cache,
        learn: command.learn,
    };
    let mut found = tune(&engine, &request, &topics, &bars)?;
    found.warnings.extend(held_out.warnings(command, &topics));
    // The winner is measured out of fold, the current profile is not.
    let tuned_before = input::tuned_on_these(&engine, &options, &topics)?;
    found.warnings.extend(tuned_before);
    let changes = Changes::of(command, &engine, &profile)?;
    found.warnings.extend(changes.warning(command));
    found
        .warnings
        .extend(stages_left_out(&engine, &profile, &options)?);
    found.warnings.extend(profile.learned.is_some().then(|| {
        format!(
            "profile `{}` orders by trees over its weights; what is compared here as the current profile is its weights alone",
            options.profile
        )
    }));
    report_notes(&found);

    // Tuning took long, so the result is printed even if something cannot be written; and
    // everything is written first, so that nobody who stops reading can prevent it.
    let (decided, adopted) = decide(command, &engine, &changes, topics.filter.as_ref(), &found);
    let written = match &command.report {
        None => Ok(()),
        Some(path) => {
            let experiment = Experiment {
                engine: &engine,
                options: &options,
                profile: &profile,
                topics: &topics,
                queries: &judged.queries,
                qrels: &judged.qrels,
                date: &today(),
                program: report::PROGRAM,
                command: &report::command_line(),
            };
            treffer_report::tuning(&experiment, &found, &decided.text)
                .map_err(Into::into)
                .and_then(|page| report::write(path, &page))
        }
    };
    judged.format.print(&Tuning::new(
        &found,
        topics.filter.as_ref(),
        engine.now(),
        decided,
    ))?;
    adopted?;
    written.map(|()| Outcome::Found)
}

/// A profile runs what the index has, whatever it was tuned with: stages without weight retrieve
/// candidates all the same, among which scores are normalized.
fn stages_left_out(
    engine: &Engine,
    profile: &Profile,
    options: &SearchOptions,
) -> Result<Option<String>> {
    let Some(named) = &options.stages else {
        return Ok(None);
    };
    let all = Available::in_index(engine.manifest(), Registry::standard());
    let pipeline = Pipeline::of(profile, &all)?;
    let mut others = pipeline.scorers();
    others.retain(|stage| !named.contains(stage) && pipeline.retrieves(*stage).is_some());
    Ok((!others.is_empty()).then(|| {
        format!(
            "a search under the profile also runs {}, which was left out here; the figures are those of a search with --stages {}",
            stage_list(&others),
            stage_list(named).replace(' ', "")
        )
    }))
}

/// The queries of the test. Judgments have ids alone, which files give to queries as they like, so
/// that texts are compared.
#[derive(Default)]
struct HeldOut {
    texts: QueryFingerprints,
    /// Queries that are judged and have no text.
    n_unknown: usize,
}

impl HeldOut {
    /// Reads what there is; `given` are the queries of the tuning's own file, judged or not.
    fn read(command: &Tune, given: &[Query], inputs: &mut input::Inputs) -> Result<Self> {
        let (judged, Some(path)) = (&command.judged, &command.held_out) else {
            return Ok(HeldOut::default());
        };
        let qrels = inputs.qrels(path, &judged.qrels_args)?;
        let own = match &command.held_out_queries {
            Some(path) => Some(inputs.queries(path, &judged.query_args)?),
            None => None,
        };
        let queries = own.as_deref().unwrap_or(given);
        let texts = queries
            .iter()
            .filter(|query| qrels.query(&query.id).is_some())
            .map(|query| query.text.as_str())
            .filter(|text| !text.trim().is_empty());
        let n_known = texts.clone().count();
        Ok(HeldOut {
            texts: QueryFingerprints::of(texts),
            n_unknown: qrels.0.len().saturating_sub(n_known),
        })
    }

    /// What is wrong with tuning on queries that will also be the test.
    fn warnings(&self, command: &Tune, topics: &Topics) -> Vec<String> {
        let Some(path) = &command.held_out else {
            return Vec::new();
        };
        let path = path.display();
        let is_shared = |query: &&Query| self.texts.contains(&query.text);
        let n_shared = topics.queries.iter().filter(is_shared).count();
        let shared = (n_shared > 0).then(|| {
            format!(
                "{n_shared} of the {} that choose are also in {path}: a test on them would flatter the tuned profile",
                count_queries(topics.queries.len()),
            )
        });
        let queries = command.held_out_queries.as_ref();
        let queries = queries.unwrap_or(&command.judged.queries).display();
        let unknown = (self.n_unknown > 0).then(|| {
            format!(
                "{} of {path} without a text in {queries}: not compared with those that choose (--held-out-queries names their file)",
                count_queries(self.n_unknown)
            )
        });
        shared.into_iter().chain(unknown).collect()
    }
}

fn report_notes(report: &TuneReport) {
    report.warnings.iter().for_each(|warning| warn(warning));
    if let ScoresOrigin::Gathered { note: Some(text) } = &report.scores {
        note(text);
    }
    let origin = match report.scores {
        ScoresOrigin::Cache => "with cached scores of an earlier run",
        ScoresOrigin::Gathered { .. } => "with scores gathered now",
    };
    note(&format!(
        "searched and tested in {:.1} s, {origin}",
        report.elapsed.as_secs_f64()
    ));
}

/// What became of the winner.
#[derive(Clone, Debug)]
struct Decided {
    text: String,
    is_written: bool,
}

impl Decided {
    fn not_written(text: String) -> Self {
        Decided {
            text,
            is_written: false,
        }
    }
}

/// What `--set` and `--weights` make of the profile for this run.
struct Changes<'a> {
    /// Whether they change more than which profiles other languages have.
    are_any: bool,
    /// What the winner is written over: the profile as the index has it, so that what is for this
    /// run does not stay; under a new name the profile of this run.
    base: &'a Profile,
}

impl<'a> Changes<'a> {
    fn of(command: &Tune, engine: &'a Engine, profile: &'a Profile) -> Result<Self> {
        let name = &command.judged.profile.profile;
        let stored = engine.settings().profile(name)?;
        let compared = Profile {
            by_language: stored.by_language.clone(),
            learned: stored.learned.clone(),
            ..profile.clone()
        };
        let is_new = command.save_as.as_ref().is_some_and(|new| new != name);
        Ok(Changes {
            are_any: compared != *stored,
            base: if is_new { profile } else { stored },
        })
    }

    /// That the gain is not one over the profile as it stands.
    fn warning(&self, command: &Tune) -> Option<String> {
        let name = &command.judged.profile.profile;
        self.are_any.then(|| {
            format!(
                "what is compared here as the current profile is `{name}` with what --set and --weights change for this run: a gain over `{name}` as it stands is not measured, and what they change is written only to a new profile (--save-as)"
            )
        })
    }
}

/// Writes the winner where that is decided, and says so; with the error if it could not be
/// written.
fn decide(
    command: &Tune,
    engine: &Engine,
    changes: &Changes<'_>,
    filter: Option<&TopicFilter>,
    report: &TuneReport,
) -> (Decided, Result<()>) {
    let current = &command.judged.profile.profile;
    let name = command.save_as.as_ref().unwrap_or(current);
    let winner = match report.decide(command.force) {
        Decision::KeepSame => {
            let what = if changes.are_any {
                "with what --set and --weights change, it is the winner itself (--force writes the winner all the same)"
            } else {
                "it is the winner itself"
            };
            let text = format!("profile `{name}` left alone: {what}");
            return (Decided::not_written(text), Ok(()));
        }
        Decision::KeepNoGain => {
            let text = format!(
                "profile `{name}` left alone: a gain could not be told from chance on {} queries (--force writes the winner all the same)",
                report.n_queries()
            );
            return (Decided::not_written(text), Ok(()));
        }
        Decision::Replace(winner) => winner,
    };
    let mut best = described(&report.best.choice, report);
    if let Winner::Learned(learned) = winner {
        let n_trees = learned.learned.n_trees();
        best.push_str(&format!(", and {n_trees} trees over them,"));
    }
    if command.dry_run {
        let text = format!("would write {best} to profile `{name}`");
        return (Decided::not_written(text), Ok(()));
    }
    let tuned = Tuned {
        queries: file_name(&command.judged.queries),
        qrels: file_name(&command.judged.qrels),
        filter: filter.map(|filter| filter.text.clone()),
        now: engine.now().map(|now| now.to_string()),
        date: today(),
    };
    match adopt(engine, name, changes.base, report, winner, &tuned) {
        Err(error) => {
            let text = format!("could not write {best} to profile `{name}`");
            (Decided::not_written(text), Err(error.into()))
        }
        Ok(()) => {
            let index = engine.dir().display();
            let decided = Decided {
                text: format!("wrote {best} to profile `{name}` of {index}"),
                is_written: true,
            };
            (decided, Ok(()))
        }
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name();
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
