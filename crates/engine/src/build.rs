//! Building an index from a corpus.
//!
//! A build works in a hidden folder beside the committed segment and takes effect by one
//! rename of the manifest, so that an error, Ctrl-C, a full disk or a power cut loses nothing
//! that was committed.

mod commit;
mod encoding;
mod language;
mod language_shift;
mod reading;
mod words;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use treffer_corpus::{Origin, PassedOver, Problem, ReadOptions};
use treffer_types::{Document, Embedder, PairScorer, Progress};

use self::commit::{Commit, Committed, Workplace, next_generation, refuse_foreign};
use self::encoding::{Cut, DenseEncoding};
pub use self::language::UnreadLanguages;
pub use self::reading::PassageCounts;
use self::reading::{Counts, DocumentWriter, Reading, Written, duplicate};
pub use self::words::read_pieces;
use crate::config::{Blueprint, Config};
use crate::error::Error;
use crate::manifest::{self, Models};
use crate::models::{self, ModelSource};
use crate::passages::{Counter, Splitter};

/// What to build and where from.
pub struct BuildRequest<'a> {
    /// The folder of the index; created if it is missing.
    pub dir: &'a Path,
    /// Files, folders, or `-` for standard input.
    pub inputs: &'a [PathBuf],
    /// How the inputs are read.
    pub reading: &'a ReadOptions,
    /// The configuration of the index.
    pub config: &'a Config,
    /// Whether an existing index may be replaced.
    pub replace: bool,
    /// Whether the first bad record ends the build.
    pub strict: bool,
}

/// What a build did.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildReport {
    /// Documents in the index.
    pub documents: u32,
    /// Records that were skipped; each was reported.
    pub problems: u64,
    /// Files of folders that were not read, by kind.
    pub passed_over: PassedOver,
    /// Documents whose record names no language where it should.
    pub unread_languages: UnreadLanguages,
    /// Into how many passages the documents were split.
    pub passages: PassageCounts,
    /// Passages longer than the bi-encoder's maximal length.
    pub passages_cut: u32,
    /// Tokens beyond that length, over all passages.
    pub tokens_cut: u64,
    /// Size of the index in bytes.
    pub bytes: u64,
    /// What failed after the index was committed, which it stays.
    pub warnings: Vec<String>,
    /// Time by step, in order.
    pub steps: Vec<(&'static str, Duration)>,
}

/// Builds an index and commits it.
///
/// Bad records are passed to `on_problem` and skipped.
///
/// # Errors
/// If the folder holds an index and `replace` is not set, another process is writing it, a
/// model cannot be loaded, the inputs hold no document, a file cannot be written, `strict` is
/// set and a record is bad, or `progress` says to stop. In every case a previously committed
/// index is untouched.
pub fn build(
    request: &BuildRequest<'_>,
    source: &dyn ModelSource,
    progress: &dyn Progress,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<BuildReport, Error> {
    let workplace = Workplace::enter(request.dir, request.replace)?;
    let Loaded {
        mut blueprint,
        models,
        embedder,
        scorer,
    } = load_models(request.config, source)?;
    let splitter = splitter(&mut blueprint, embedder.as_ref(), scorer)?;
    let building = workplace.building();

    let mut clock = StepClock::default();
    let (pieces, bad_words) = read_words(request, on_problem)?;
    let reading = Reading {
        request,
        progress,
        on_problem,
    };
    let (counts, written) = clock.time("read", || {
        let mut writer = DocumentWriter::create(&building, request.config, splitter)?;
        writer.add_pieces(pieces)?;
        let counts = reading.run(&mut |document, origin| writer.add(document, origin))?;
        Ok::<_, Error>((counts, writer.finish()?))
    })?;
    let Written {
        mut parts,
        passages,
        unread_languages,
    } = written;
    let Counts {
        documents,
        problems,
        passed_over,
    } = counts;
    let mut cut = Cut::default();
    if let (Some(embedder), Some(dense)) = (embedder, &blueprint.dense) {
        let encoding = DenseEncoding {
            building: &building,
            blueprint: &blueprint,
            dense,
            progress,
        };
        let seal;
        (cut, seal) = clock.time("encode", || encoding.encode(embedder.as_ref()))?;
        parts.insert(manifest::parts::DENSE.to_owned(), seal);
    }
    let commit = Commit {
        workplace,
        config: request.config,
        blueprint,
        models,
        documents,
        passages: passages.passages,
        parts,
    };
    let Committed { bytes, warnings } = clock.time("commit", || commit.run())?;
    let Cut {
        passages: passages_cut,
        tokens: tokens_cut,
    } = cut;
    Ok(BuildReport {
        documents,
        problems: problems + bad_words,
        passed_over,
        unread_languages,
        passages,
        passages_cut,
        tokens_cut,
        bytes,
        warnings,
        steps: clock.steps,
    })
}

/// What a build would find in its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Documents that it would index.
    pub documents: u32,
    /// Records that it would skip; each was reported.
    pub problems: u64,
    /// Files of folders that it would not read, by kind.
    pub passed_over: PassedOver,
}

/// Reads and checks what [`build`] would, and writes nothing. Loads no models.
///
/// # Errors
/// As [`build`], as far as the target folder and the inputs go.
pub fn survey(
    request: &BuildRequest<'_>,
    progress: &dyn Progress,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Survey, Error> {
    refuse_foreign(request.dir)?;
    next_generation(request.dir, request.replace)?;
    let (_, bad_words) = read_words(request, on_problem)?;
    let mut ids = HashSet::new();
    let mut keep = |document: &Document, origin: Origin| {
        Ok((!ids.insert(document.id.clone())).then(|| duplicate(document, origin)))
    };
    let Counts {
        documents,
        problems,
        passed_over,
    } = Reading {
        request,
        progress,
        on_problem,
    }
    .run(&mut keep)?;
    Ok(Survey {
        documents,
        problems: problems + bad_words,
        passed_over,
    })
}

struct Loaded {
    blueprint: Blueprint,
    models: Models,
    embedder: Option<Arc<dyn Embedder>>,
    scorer: Option<Arc<dyn PairScorer>>,
}

/// The words for compounds, and the number of bad lines; the first is an error if the request is
/// strict.
fn read_words(
    request: &BuildRequest<'_>,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<(Vec<String>, u64), Error> {
    let (mut n, mut first) = (0, None);
    let stop = &request.reading.stop;
    let words = read_pieces(&request.config.bm25, stop, &mut |problem| {
        n += 1;
        if request.strict {
            first.get_or_insert(problem);
        } else {
            on_problem(&problem);
        }
    })?;
    match first {
        Some(problem) => Err(Error::Strict(problem)),
        None => Ok((words, n)),
    }
}

/// Loads every model before any work is done, so that a missing one fails at once. The
/// cross-encoder is loaded for its fingerprint, and without a bi-encoder to count tokens.
fn load_models(config: &Config, source: &dyn ModelSource) -> Result<Loaded, Error> {
    let mut blueprint = config.blueprint();
    let mut models = Models::default();
    let (mut embedder, mut scorer) = (None, None);
    if let Some(dense) = &mut blueprint.dense {
        dense.model = models::absolute(&dense.model);
        let loaded = source
            .embedder_with(&dense.model, &dense.settings, config.device)
            .map_err(|e| models::load_error(&dense.model, e))?;
        models.dense = Some(models::record_embedder(loaded.as_ref()));
        embedder = Some(loaded);
    }
    if let Some(cross) = &mut blueprint.cross {
        cross.model = models::absolute(&cross.model);
        let loaded = source
            .pair_scorer_with(&cross.model, &cross.settings, config.device)
            .map_err(|e| models::load_error(&cross.model, e))?;
        models.cross = Some(models::record_scorer(loaded.as_ref()));
        scorer = Some(loaded);
    }
    Ok(Loaded {
        blueprint,
        models,
        embedder,
        scorer,
    })
}

/// What splits documents, if the configuration says so. The blueprint gets the numbers.
fn splitter(
    blueprint: &mut Blueprint,
    embedder: Option<&Arc<dyn Embedder>>,
    scorer: Option<Arc<dyn PairScorer>>,
) -> Result<Option<Splitter>, Error> {
    let Some(config) = &mut blueprint.passages else {
        return Ok(None);
    };
    let counter = match (embedder, scorer) {
        (Some(embedder), _) => Counter::Embedder(Arc::clone(embedder)),
        (None, Some(scorer)) => Counter::Scorer(scorer),
        (None, None) => Counter::Words,
    };
    let room = counter.room();
    let room = room.map_err(|source| Error::Request(source.to_string()))?;
    let resolved = config.resolved(room.map(|(room, _)| room));
    let resolved = resolved.map_err(|tokens| {
        let (room, model) = room.unwrap_or_default();
        Error::Request(format!(
            "passages.tokens is {tokens}, but {model} reads at most {room} of a passage; set passages.tokens={room} or less"
        ))
    })?;
    config.tokens = Some(resolved.tokens);
    config.overlap = resolved.overlap;
    Ok(Some(Splitter::new(counter, resolved)))
}

#[derive(Default)]
struct StepClock {
    steps: Vec<(&'static str, Duration)>,
}

impl StepClock {
    fn time<T>(&mut self, step: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.steps.push((step, start.elapsed()));
        result
    }
}
