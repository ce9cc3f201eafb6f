//! What several commands do alike: models, indexes, profiles, judged queries.

use std::path::Path;

use anyhow::{Context, Result, bail};
use treffer_corpus::{Problem, read_qrels, read_queries};
use treffer_engine::config::Settings;
use treffer_engine::index::{Index, OpenOptions};
use treffer_engine::models::RegistryModels;
use treffer_engine::profile::Profile;
use treffer_engine::topics::Topics;
use treffer_models::Registry;
use treffer_types::{Progress, Query, StageName};

use crate::args::{Global, How, Judged};
use crate::output;

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

/// The profile named on the command line, with what else was said there.
pub(crate) fn profile(settings: &Settings, how: &How) -> Result<Profile> {
    let profile = settings.profile(&how.profile)?;
    let mut profile = profile.with_overrides(&how.overrides)?;
    if let Some(weights) = how.weights {
        profile.weights = weights;
    }
    Ok(profile)
}

/// The index, with the models that `how` needs.
pub(crate) fn open_index(
    dir: &Path,
    how: &How,
    stages: Option<Vec<StageName>>,
    global: &Global,
    progress: &dyn Progress,
) -> Result<Index> {
    let source = RegistryModels {
        registry: registry(global)?,
        progress,
    };
    let options = OpenOptions {
        stages,
        device: how.device,
    };
    Ok(Index::open(dir, &options, &source)?)
}

/// Reads a file of queries; bad ones are reported and left out.
pub(crate) fn queries(path: &Path) -> Result<Vec<Query>> {
    let (queries, problems) = read_queries(path, None)
        .with_context(|| format!("could not read the queries in {}", path.display()))?;
    report(&problems, "query");
    if queries.is_empty() {
        bail!("there are no queries in {}", path.display());
    }
    Ok(queries)
}

/// Judged queries, with everything that does not fit told on standard error.
pub(crate) fn topics(index: &Index, judged: &Judged) -> Result<Topics> {
    let queries = queries(&judged.queries)?;
    let (qrels, problems) = read_qrels(&judged.qrels).with_context(|| {
        format!(
            "could not read the judgements in {}",
            judged.qrels.display()
        )
    })?;
    report(&problems, "judgement");
    let topics = Topics::new(index, queries, qrels, judged.limit)?;
    let mismatches = &topics.mismatches;
    let notes = [
        (
            mismatches.queries_not_judged,
            "given without judgements",
            "left out",
        ),
        (
            mismatches.judged_not_given,
            "judged but not given",
            "left out",
        ),
        (
            mismatches.queries_without_relevant,
            "without a relevant document",
            "counted as 0",
        ),
    ];
    for (n, what, so) in notes.into_iter().filter(|(n, _, _)| *n > 0) {
        let queries = if n == 1 { "query" } else { "queries" };
        eprintln!("note: {} {queries} {what}: {so}", output::grouped(n as u64));
    }
    if mismatches.documents_unknown > 0 {
        let documents = output::count(mismatches.documents_unknown as u64, "judged document");
        eprintln!("note: {documents} not in the index, never to be found");
    }
    Ok(topics)
}

fn report(problems: &[Problem], noun: &str) {
    for problem in problems {
        eprintln!("skipped: {problem}");
    }
    if !problems.is_empty() {
        eprintln!(
            "note: {} skipped",
            output::count(problems.len() as u64, &format!("bad {noun} record"))
        );
    }
}
