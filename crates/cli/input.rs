//! What commands work on: models, indexes, queries, judgments and runs, with everything that
//! is wrong with them reported on standard error.

use std::path::Path;

use anyhow::{Context, Result, bail};
use treffer::StandardModels;
use treffer_api::SearchOptions;
use treffer_corpus::{
    Encoding, JudgmentOptions, Judgments, QueryOptions, Rankings, RunOptions, Stop, VectorFile,
    read_judgments, read_queries, read_run,
};
use treffer_engine::field_stages::now;
use treffer_engine::fields::Date;
use treffer_engine::pipeline::{Available, Pipeline};
use treffer_engine::profile::Provenance;
use treffer_engine::profiles::Profiles;
use treffer_engine::runs::run_of;
use treffer_engine::self_retrieval::ExcludeSelf;
use treffer_engine::settings_file::{Current, read_both};
use treffer_engine::stages::Registry as Stages;
use treffer_engine::topics::Topics;
use treffer_engine::{Device, Engine, OpenOptions};
use treffer_eval::Run;
use treffer_models::Registry;
use treffer_report::text::{count, count_queries};
use treffer_types::{Progress, Qrels, Query, StageName, stage_list};

use crate::options::{Global, JudgedArgs, ProfileArgs, QrelsArgs, QueryArgs, ReadArgs};
use crate::problems::Problems;
use crate::progress::Bars;
use crate::terminal::{note, say, warn};

/// The registry with the cache that the user named, or the usual one.
pub(crate) fn registry(global: &Global) -> Result<Registry> {
    let cache = match &global.models {
        Some(cache) => cache.clone(),
        None => Registry::default_cache()?,
    };
    Ok(Registry::new(cache).offline(global.offline))
}

/// Limits the models to the threads that the user named.
pub(crate) fn limit_threads(global: &Global) -> Result<()> {
    let Some(threads) = global.threads else {
        return Ok(());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("could not start the threads")
}

/// The index in `dir` with the models of `stages`, or of all its stages.
pub(crate) fn open_index(
    dir: &Path,
    stages: Option<Vec<StageName>>,
    device: Option<Device>,
    global: &Global,
    progress: &dyn Progress,
) -> Result<Engine> {
    open_index_at(dir, stages, device, None, global, progress)
}

/// As [`open_index`] for commands that search with a profile. Stages with the origin `now` count
/// from the date that is given, or, for a search, from the time at which it began, so that all of
/// a command counts from one time.
pub(crate) fn open_profiled(
    dir: &Path,
    profile: &ProfileArgs,
    stages: Option<Vec<StageName>>,
    time: Time,
    global: &Global,
    progress: &dyn Progress,
) -> Result<Engine> {
    let now = match time {
        Time::OfSearch => Some(profile.now.unwrap_or_else(now)),
        Time::Given => profile.now,
    };
    refuse_unfit_stages(dir, profile)?;
    let engine = open_index_at(dir, stages, profile.device, now, global, progress)?;
    if profile.now.is_some() && engine.counts_from_now(&engine.stages()).is_none() {
        bail!("--now has no meaning: no stage has the origin `now`, so leave it out");
    }
    Ok(engine)
}

/// Named stages must be a pipeline. That is told from all stages of the index, so that what is
/// missing can be named, and before models are loaded. One that the index lacks is refused when it
/// is opened.
fn refuse_unfit_stages(dir: &Path, profile: &ProfileArgs) -> Result<()> {
    let Some(only) = &profile.stages else {
        return Ok(());
    };
    let (manifest, Current { settings, .. }) = read_both(dir)?;
    let available = Available::in_index(&manifest, Stages::standard());
    let available = available.with_field_stages(&settings.field_stages);
    let names = available.names();
    if only.iter().all(|stage| names.contains(stage)) {
        Pipeline::only(&settings.profile_for(&profile.options())?, &available, only)?;
    }
    Ok(())
}

/// From when stages with the origin `now` count where no date is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// From the time of the search.
    OfSearch,
    /// It has to be given.
    Given,
}

fn open_index_at(
    dir: &Path,
    stages: Option<Vec<StageName>>,
    device: Option<Device>,
    now: Option<Date>,
    global: &Global,
    progress: &dyn Progress,
) -> Result<Engine> {
    let models = StandardModels::new(registry(global)?).with_progress(progress);
    let options = OpenOptions {
        stages,
        device,
        now,
        ..OpenOptions::default()
    };
    let engine = Engine::open(dir, &options, &models)?;
    if let Some(text) = engine.settings_note() {
        warn(text);
    }
    Ok(engine)
}

/// Reads queries, judgments and runs; what is wrong with them is reported and left out.
pub(crate) struct Inputs {
    encoding: Option<Encoding>,
    stop: Stop,
    problems: Problems,
    /// Bad query records so far.
    n_bad: usize,
}

impl Inputs {
    pub(crate) fn new(args: &ReadArgs) -> Result<Self> {
        Ok(Inputs {
            encoding: args.encoding,
            stop: Stop::default(),
            problems: Problems::new(args.problems.as_deref())?,
            n_bad: 0,
        })
    }

    /// Stops reading when the user asks to.
    pub(crate) fn stopped_by(mut self, bars: &Bars) -> Self {
        self.stop = bars.stop();
        self
    }

    /// Completes the file of bad records: when everything has been read, before the work.
    pub(crate) fn finish(self) -> Result<()> {
        self.problems.finish()
    }

    /// Reads a file of queries.
    pub(crate) fn queries(&mut self, path: &Path, args: &QueryArgs) -> Result<Vec<Query>> {
        let options = QueryOptions {
            format: args.query_format,
            topic_fields: args.topic_fields.clone(),
            encoding: self.encoding,
            stop: self.stop.clone(),
        };
        let queries = read_queries(path, &options, &mut |problem| {
            self.n_bad += 1;
            self.problems.add(problem, &say);
        });
        self.problems.end_input("bad query record", None);
        let queries =
            queries.with_context(|| format!("could not read the queries in {}", path.display()))?;
        if queries.is_empty() {
            bail!("there are no queries in {}", path.display());
        }
        Ok(queries)
    }

    /// Reads judgments; what is unusual is noted.
    pub(crate) fn qrels(&mut self, path: &Path, args: &QrelsArgs) -> Result<Qrels> {
        let options = JudgmentOptions {
            format: args.qrels_format,
            encoding: self.encoding,
            stop: self.stop.clone(),
        };
        let judgments = read_judgments(path, &options, &mut |problem| {
            self.problems.add(problem, &say);
        });
        self.problems.end_input("bad judgment record", None);
        let judgments = judgments
            .with_context(|| format!("could not read the judgments in {}", path.display()))?;
        note_unusual(&judgments);
        Ok(judgments.qrels)
    }

    /// Judged queries, with everything that does not fit together reported.
    pub(crate) fn topics(&mut self, engine: &Engine, judged: &JudgedArgs) -> Result<Topics> {
        let queries = self.judged_queries(engine, judged)?;
        self.topics_of(engine, judged, queries)
    }

    /// The queries of a file, judged or not, with their vectors.
    pub(crate) fn judged_queries(
        &mut self,
        engine: &Engine,
        judged: &JudgedArgs,
    ) -> Result<Vec<Query>> {
        if judged.query_vectors.is_some() {
            refuse_idle_vectors("--query-vectors", engine)?;
        }
        let n_bad = self.n_bad;
        let mut queries = self.queries(&judged.queries, &judged.query_args)?;
        if let Some(path) = &judged.query_vectors {
            if self.n_bad > n_bad {
                bail!(
                    "a query record is bad, so it is unsure which rows of {} belong to the others; correct it, or leave out --query-vectors",
                    path.display()
                );
            }
            give_vectors(&mut queries, path)?;
        }
        Ok(queries)
    }

    /// Those of [`Inputs::judged_queries`] with their judgments.
    pub(crate) fn topics_of(
        &mut self,
        engine: &Engine,
        judged: &JudgedArgs,
        queries: Vec<Query>,
    ) -> Result<Topics> {
        let qrels = self.qrels(&judged.qrels, &judged.qrels_args)?;
        let mut topics = Topics::filtered(
            engine,
            queries,
            qrels,
            judged.limit,
            judged.filter.as_deref(),
        )?;
        note_mismatches(&topics);
        let which = judged.exclude_self.into();
        exclude_self(engine, &mut topics.queries, which, &topics.qrels)?;
        Ok(topics)
    }

    /// Reads a TREC run, compressed or not, or standard input for `-`.
    pub(crate) fn run(&mut self, path: &Path) -> Result<Run> {
        Ok(run_of(self.rankings(path)?))
    }

    /// As [`Inputs::run`], with the lines at which documents stand.
    pub(crate) fn rankings(&mut self, path: &Path) -> Result<Rankings> {
        let options = RunOptions {
            encoding: self.encoding,
            stop: self.stop.clone(),
        };
        let rankings = read_run(path, &options, &mut |problem| {
            self.problems.add(problem, &say);
        });
        self.problems.end_input("bad line", Some(path));
        let rankings =
            rankings.with_context(|| format!("could not read the run in {}", path.display()))?;
        if rankings.is_empty() {
            bail!(
                "there are no results in {}; a run has lines of query, Q0, document, rank, score and tag",
                path.display()
            );
        }
        Ok(rankings)
    }
}

/// Says what of queries, judgments and index does not fit together.
pub(crate) fn note_mismatches(topics: &Topics) {
    let mismatches = &topics.mismatches;
    let notes = [
        (
            mismatches.queries_not_judged,
            "given without judgments: left out",
        ),
        (
            mismatches.judged_not_given,
            "judged but not given: left out",
        ),
        (
            mismatches.queries_without_relevant,
            "without a relevant document: counted as 0",
        ),
    ];
    for (n, what) in notes.into_iter().filter(|(n, _)| *n > 0) {
        note(&format!("{} {what}", count_queries(n)));
    }
    if mismatches.documents_unknown > 0 {
        let documents = count(mismatches.documents_unknown as u64, "judged document");
        note(&format!(
            "{documents} not in the index, which no search can find"
        ));
    }
}

/// Has queries leave out the documents that they are themselves, and says how many do.
pub(crate) fn exclude_self(
    engine: &Engine,
    queries: &mut [Query],
    which: ExcludeSelf,
    qrels: &Qrels,
) -> Result<()> {
    let n_excluded = engine.exclude_self(queries, which, qrels)?;
    let n = count_queries(n_excluded);
    match which {
        ExcludeSelf::SameText if n_excluded > 0 => note(&format!(
            "{n} among the documents, with the same id and text: left out of their own results (--exclude-self=never keeps them)"
        )),
        ExcludeSelf::Always => note(&format!(
            "{n} with the id of a document: it is left out of the results"
        )),
        ExcludeSelf::SameText | ExcludeSelf::Never => {}
    }
    Ok(())
}

/// As [`exclude_self`] for the flag `--exclude-self`, if it is given.
pub(crate) fn exclude_self_if(asked: bool, engine: &Engine, queries: &mut [Query]) -> Result<()> {
    if !asked {
        return Ok(());
    }
    // Judgments have no say here.
    exclude_self(engine, queries, ExcludeSelf::Always, &Qrels::default())
}

/// Vectors that were given must be those of a stage that runs; `flag` gave them.
pub(crate) fn refuse_idle_vectors(flag: &str, engine: &Engine) -> Result<()> {
    let stages = engine.stages();
    if !stages.contains(&StageName::DENSE) {
        bail!(
            "{flag} needs the dense stage, and what runs here is {}",
            stage_list(&stages)
        );
    }
    Ok(())
}

/// Gives each query the vector in its row.
fn give_vectors(queries: &mut [Query], path: &Path) -> Result<()> {
    let file = VectorFile::open(path)?;
    if file.rows() != queries.len() as u64 {
        bail!(
            "there are {}, but {} has {} rows; each query needs one",
            count_queries(queries.len()),
            path.display(),
            file.rows()
        );
    }
    for (row, query) in (0..).zip(queries) {
        let vector = file.row(row)?;
        let vector = vector.with_context(|| format!("query {} cannot be used", query.id))?;
        query.vector = Some(vector);
    }
    Ok(())
}

fn note_unusual(judgments: &Judgments) {
    let Judgments { qrels, judges } = judgments;
    for judge in judges {
        warn(&format!(
            "these judgments are the model `{judge}`'s, not people's: they favor rankings that agree with it, its own above all"
        ));
    }
    let grades = || qrels.0.values().flat_map(|judged| judged.values());
    let n_negative = grades().filter(|grade| **grade < 0).count() as u64;
    if n_negative > 0 {
        let judgments = count(n_negative, "judgment");
        note(&format!(
            "{judgments} with a grade below 0: not relevant, as 0 is"
        ));
    }
    let n_large = grades()
        .filter(|grade| **grade > LARGEST_USUAL_GRADE)
        .count() as u64;
    if n_large > 0 {
        let judgments = count(n_large, "judgment");
        note(&format!(
            "{judgments} with a grade above {LARGEST_USUAL_GRADE}: used as they are, since nDCG gains are the grades themselves"
        ));
    }
}

/// No collection known to us has larger ones; they are more likely another column.
const LARGEST_USUAL_GRADE: i32 = 15;

/// What is wrong with measuring a profile on these queries, if it was tuned on some of them, and
/// so of each that takes its place for some languages. Weights given for this run, and single
/// stages, were chosen by no query.
pub(crate) fn tuned_on_these(
    engine: &Engine,
    options: &SearchOptions,
    topics: &Topics,
) -> Result<Vec<String>> {
    let is_single = options
        .stages
        .as_ref()
        .is_some_and(|stages| stages.len() == 1);
    if is_single {
        return Ok(Vec::new());
    }
    let profiles = Profiles::of(engine, options)?;
    let mut queries = vec![Vec::new(); profiles.all().len()];
    for query in &topics.queries {
        queries[profiles.place(engine, &query.text)].push(query);
    }
    let usual = &profiles.all()[0];
    let names = std::iter::once(&options.profile).chain(usual.by_language.values());
    let mut warnings = Vec::new();
    for ((name, profile), queries) in names.zip(profiles.all()).zip(&queries) {
        let is_as_tuned = profile.weights == engine.settings().profile(name)?.weights;
        let Some(tuned) = profile.tuned.as_ref().filter(|_| is_as_tuned) else {
            continue;
        };
        let n = count_queries(queries.len());
        let these = match profiles.all() {
            [_] => format!("these {n}"),
            _ => format!("the {n} that it is used for"),
        };
        warnings.extend(tuned_on(name, tuned, queries, &these));
    }
    Ok(warnings)
}

/// The same of one profile and its queries, which are called `these`.
fn tuned_on(name: &str, tuned: &Provenance, queries: &[&Query], these: &str) -> Option<String> {
    if queries.is_empty() {
        return None;
    }
    if tuned.query_fingerprints.is_empty() {
        return Some(format!(
            "profile `{name}` does not record the {} of {} that it was tuned on: if they are among these, its figures are too high",
            count_queries(tuned.n_queries),
            tuned.queries
        ));
    }
    let is_shared = |query: &&&Query| tuned.query_fingerprints.contains(&query.text);
    let n_shared = queries.iter().filter(is_shared).count();
    (n_shared > 0).then(|| {
        format!(
            "profile `{name}` was tuned on {n_shared} of {these} ({}, {}): its figures flatter it",
            tuned.queries, tuned.date
        )
    })
}

/// Steps of a weight grid from the distance of two weights.
pub(crate) fn steps(step: f64) -> Result<u32> {
    let steps = (1.0 / step).round();
    let is_whole = (steps * step - 1.0).abs() < 1e-9;
    if !(step > 0.0 && is_whole && steps <= 1000.0) {
        bail!(
            "--step is {step}; it must divide 1 into at most 1000 whole steps, as 0.05, 0.1 or 0.02 do"
        );
    }
    Ok(steps as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_divides_one() {
        assert_eq!(steps(0.05).unwrap(), 20);
        assert_eq!(steps(0.02).unwrap(), 50);
        for step in [0.0, -0.1, 0.3, f64::NAN, 1e-9] {
            assert!(steps(step).is_err(), "{step}");
        }
    }
}
