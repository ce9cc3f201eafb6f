//! Writing an index: building it, changing it, compacting it.
//!
//! A writer works in a hidden folder beside the committed segments, and what it built takes effect
//! by one rename of the manifest, so that an error, Ctrl-C, a full disk or a power cut loses
//! nothing that was committed.
//!
//! | file | holds |
//! |---|---|
//! | `session`, `writing` | one run of a writer: documents are added, deleted and committed |
//! | `update` | adding to an index, and deleting from it |
//! | `merge`, `policy` | several segments into one; when that is done |
//! | `commit` | the writer's lock, the commit, cleaning up |
//! | `reading`, `documents`, `encoding`, `tokens` | from inputs to the parts of a new segment |
//! | `given` | vectors that documents come with |
//! | `infer` | fields and their types, from some of the documents |
//! | `resume` | going on with a build that was interrupted |
//! | `bm25_parts` | inverted indexes that are written anew |
//! | `repair` | what is damaged, made again from what is not |

mod bm25_parts;
mod clock;
mod commit;
mod documents;
mod encoding;
mod given;
mod infer;
mod language;
mod language_shift;
mod merge;
mod own_texts;
mod policy;
mod reading;
mod renumbering;
mod repair;
mod resume;
mod session;
mod texts;
mod tokens;
mod update;
mod vectors;
mod words;
mod writing;

use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use treffer_columns::check as check_fields;
use treffer_corpus::{Origin, PassedOver, Problem, ReadOptions};
use treffer_types::{Document, Embedder, PairScorer, Progress, TokenEmbedder};

use self::commit::{Workplace, next_generation, refuse_foreign};
pub use self::documents::PassageCounts;
pub use self::infer::{FieldSample, infer_fields};
use self::language::RecordLanguages;
pub use self::language::UnreadLanguages;
pub use self::merge::{CompactReport, compact};
use self::reading::{Counts, Kept, Reading, duplicate, field_problems};
pub use self::repair::{RepairReport, repair};
use self::session::{Kind, Session};
pub use self::update::{AddRequest, DeleteReport, DeleteRequest, add, delete};
use self::vectors::Given;
pub use self::words::read_pieces;
use self::writing::Writing;
use crate::blueprint::{DenseConfig, NO_MODEL};
use crate::config::{Blueprint, Config};
use crate::error::Error;
use crate::manifest::{BuiltSettings, FORMAT, Manifest, Models};
use crate::models::{self, ModelSource};
use crate::passages::{Counter, Splitter};

/// What to build and where from.
pub struct BuildRequest<'a> {
    /// The folder of the index; created if it is missing.
    pub dir: &'a Path,
    /// Files, folders, or `-` for standard input.
    pub inputs: &'a [PathBuf],
    /// Vectors of the documents in NumPy's format: a row for each record of all inputs, in their
    /// order, bad ones included.
    pub vectors: Option<&'a Path>,
    /// How the inputs are read.
    pub reading: &'a ReadOptions,
    /// The configuration of the index.
    pub config: &'a Config,
    /// Whether an existing index may be replaced.
    pub replace: bool,
    /// Whether the first bad record ends the build.
    pub strict: bool,
    /// Documents after which what was read is committed, so that a build that is interrupted goes
    /// on from there; `None` commits once, at the end. Not together with `replace`.
    pub commit_every: Option<u32>,
}

/// What [`build`] or [`add`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteReport {
    /// Documents with a new id.
    pub added: u32,
    /// Documents that took the place of one with the same id.
    pub updated: u32,
    /// Documents that were there as they are.
    pub unchanged: u32,
    /// Documents in the index now.
    pub documents: u32,
    /// How many of them an interrupted build of the same index had committed before.
    pub resumed: u32,
    /// Records that were skipped; each was reported.
    pub problems: u64,
    /// Records that were kept without a value that is not of its field's type, once for each
    /// field; each was reported.
    pub fields_left_out: u64,
    /// Files of folders that were not read, by kind.
    pub passed_over: PassedOver,
    /// Documents whose record names no language where it should.
    pub unread_languages: UnreadLanguages,
    /// Into how many passages the new documents were split.
    pub passages: PassageCounts,
    /// Passages longer than the bi-encoder's maximal length.
    pub passages_cut: u32,
    /// Tokens beyond that length, over all passages.
    pub tokens_cut: u64,
    /// Size of the index in bytes.
    pub bytes: u64,
    /// What failed after a commit, which stands, and how many documents are not in the stage `dense`
    /// because no vector came with them.
    pub warnings: Vec<String>,
    /// Time by step, in order.
    pub steps: Vec<(&'static str, Duration)>,
}

/// Builds an index and commits it. A build that was interrupted after it had committed documents is
/// resumed; the configuration must be the same.
///
/// Bad records are passed to `on_problem` and skipped.
///
/// # Errors
/// If the folder holds an index and `replace` is not set, or one that was begun with another
/// configuration and is not complete; if another process is writing it, a model cannot be loaded,
/// the inputs hold no document, a file cannot be written, `strict` is set and a record is bad, or
/// `progress` says to stop. In every case a previously committed index is untouched.
pub fn build(
    request: &BuildRequest<'_>,
    source: &dyn ModelSource,
    progress: &dyn Progress,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<WriteReport, Error> {
    check_request(request)?;
    let (workplace, old) = if resume::interrupted(request).is_some() {
        let (workplace, manifest) = Workplace::enter_index(request.dir)?;
        (workplace, Some(manifest))
    } else {
        (Workplace::enter(request.dir, request.replace)?, None)
    };
    let vectors = given::open(request.vectors)?;
    let config = given::resolved(request.config, vectors.as_ref())?;
    let Loaded {
        mut blueprint,
        models,
        embedder,
        late,
        scorer,
    } = load_models(&config, source)?;
    given::check_dimension(vectors.as_ref(), embedder.as_deref())?;
    let splitter = splitter(&mut blueprint, embedder.as_ref(), late.as_ref(), scorer)?;
    let (pieces, bad_words) = read_words(request, on_problem)?;
    let kind = if old.is_some() {
        Kind::Resume
    } else {
        Kind::Build
    };
    let manifest = match old {
        None => new_manifest(&config, &workplace, blueprint, models),
        Some(old) if old.blueprint == blueprint && old.models == models => {
            resume::check_settings(request, &old, &config)?;
            old
        }
        Some(_) => {
            return Err(Error::Request(format!(
                "the index in {} was begun with another configuration or other models and not completed; use these again, or pass --replace to begin anew",
                request.dir.display()
            )));
        }
    };
    let resumed = manifest.n_documents();
    let writing = Writing {
        embedder,
        late,
        splitter: splitter.map(Arc::new),
        vectors: vectors.as_ref(),
        languages: RecordLanguages::new(&request.config.language),
        pieces,
        commit_every: request.commit_every,
        shift: OnceCell::new(),
        progress,
    };
    workplace.begin()?; // at once, so that a folder that cannot be written is noticed
    let session = Session::begin(workplace, manifest, writing, kind)?;
    let reading = Reading {
        inputs: request.inputs,
        vectors: vectors.as_ref(),
        vector_field: vector_field(config.dense.as_ref()),
        options: request.reading,
        strict: request.strict,
        progress,
        on_problem,
    };
    let report = write(session, reading, true)?;
    Ok(WriteReport {
        resumed,
        problems: report.problems + bad_words,
        ..report
    })
}

fn check_request(request: &BuildRequest<'_>) -> Result<(), Error> {
    if request.replace && request.commit_every.is_some() {
        return Err(Error::Request(
            "an index that is replaced stays until the new one is complete, so documents cannot be committed before; leave out --commit-every or --replace".into(),
        ));
    }
    Ok(())
}

/// The field of records that holds their vectors.
fn vector_field(dense: Option<&DenseConfig>) -> Option<&str> {
    dense.and_then(|dense| dense.vectors.as_deref())
}

/// A manifest without documents, for the generation that comes next.
fn new_manifest(
    config: &Config,
    workplace: &Workplace,
    blueprint: Blueprint,
    models: Models,
) -> Manifest {
    let generation = workplace.generation();
    Manifest {
        format: FORMAT,
        written_by: concat!("treffer ", env!("CARGO_PKG_VERSION")).into(),
        generation: 0,
        blueprint,
        models,
        settings: BuiltSettings {
            generation,
            toml: config.settings(generation).to_toml(),
        },
        unfinished: false,
        segments: Vec::new(),
        deleted: None,
    }
}

/// Adds all documents of the inputs and commits them; `merges` says whether segments are merged
/// when that pays. If it is stopped, what was committed before stays.
fn write(
    mut session: Session<'_>,
    reading: Reading<'_>,
    merges: bool,
) -> Result<WriteReport, Error> {
    let Counts {
        documents: _,
        problems,
        fields_left_out,
        passed_over,
    } = read_into(&mut session, reading, merges)?;
    let committed = session.commit(false);
    session.or_interrupted(committed)?;
    if merges {
        merge::by_policy(&mut session)?;
    }
    let (mut counts, unread_languages, manifest) = session.into_counts();
    let without_vector = given::without_vector(counts.without_vector);
    counts.warnings.extend(without_vector);
    Ok(WriteReport {
        added: counts.added,
        updated: counts.updated,
        unchanged: counts.unchanged,
        documents: manifest.n_documents(),
        resumed: 0,
        problems,
        fields_left_out,
        passed_over,
        unread_languages,
        passages: counts.passages,
        passages_cut: counts.cut.passages,
        tokens_cut: counts.cut.tokens,
        bytes: manifest.n_bytes(),
        warnings: counts.warnings,
        steps: counts.clock.into_steps(),
    })
}

/// Adds all documents of the inputs. If that is stopped, what was committed before stays.
fn read_into(
    session: &mut Session<'_>,
    reading: Reading<'_>,
    merges: bool,
) -> Result<Counts, Error> {
    let start = Instant::now();
    let other_steps = session.counts.clock.total();
    let counts = reading.run(&mut |document, origin, given| {
        let kept = session.add(document, origin, given)?;
        // Now, lest a run of a thousand batches ends with a thousand open segments.
        if kept.has_committed && merges {
            merge::by_policy(session)?;
        }
        Ok(kept)
    });
    let counts = session.or_interrupted(counts);
    let meanwhile = session.counts.clock.total() - other_steps;
    let clock = &mut session.counts.clock;
    clock.add("read", start.elapsed().saturating_sub(meanwhile));
    counts
}

/// What a build would find in its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Documents that it would index.
    pub documents: u32,
    /// Records that it would skip; each was reported.
    pub problems: u64,
    /// Records that it would keep without a value that is not of its field's type, once for each
    /// field; each was reported.
    pub fields_left_out: u64,
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
    check_request(request)?;
    refuse_foreign(request.dir)?;
    let interrupted = resume::interrupted(request);
    if interrupted.is_none() {
        next_generation(request.dir, request.replace)?;
    }
    let vectors = given::open(request.vectors)?;
    let config = given::resolved(request.config, vectors.as_ref())?;
    if let Some(begun) = &interrupted {
        resume::check_settings(request, begun, &config)?;
    }
    let (_, bad_words) = read_words(request, on_problem)?;
    let mut ids = HashSet::new();
    let fields = &request.config.fields;
    let mut keep = |document: &Document, origin: Origin, given: Option<Given>| {
        if let Some((Given::Row(row), file)) = given.zip(vectors.as_ref())
            && let Err(reason) = file.row(row).map_err(Error::Corpus)?
        {
            return Ok(Kept::not(origin.problem(reason)));
        }
        Ok(if ids.insert(document.id.clone()) {
            Kept {
                problems: field_problems(check_fields(fields, document), &origin),
                ..Kept::whole()
            }
        } else {
            Kept::not(duplicate(document, origin))
        })
    };
    let Counts {
        documents,
        problems,
        fields_left_out,
        passed_over,
    } = Reading {
        inputs: request.inputs,
        vectors: vectors.as_ref(),
        vector_field: vector_field(request.config.dense.as_ref()),
        options: request.reading,
        strict: request.strict,
        progress,
        on_problem,
    }
    .run(&mut keep)?;
    Ok(Survey {
        documents,
        problems: problems + bad_words,
        fields_left_out,
        passed_over,
    })
}

struct Loaded {
    blueprint: Blueprint,
    models: Models,
    embedder: Option<Arc<dyn Embedder>>,
    late: Option<Arc<dyn TokenEmbedder>>,
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
    let (mut embedder, mut late, mut scorer) = (None, None, None);
    if let Some(dense) = &mut blueprint.dense {
        if dense.model != NO_MODEL {
            dense.model = models::absolute(&dense.model);
        }
        let loaded = models::embedder(source, dense, config.device)?;
        models.dense = Some(models::record_embedder(loaded.as_ref()));
        embedder = Some(loaded);
    }
    if let Some(config_of) = &mut blueprint.late {
        config_of.model = models::absolute(&config_of.model);
        let loaded = models::token_embedder(source, config_of, config.device)?;
        models.late = Some(models::record_token_embedder(loaded.as_ref()));
        late = Some(loaded);
    }
    if let Some(cross) = &mut blueprint.cross {
        cross.model = models::absolute(&cross.model);
        let loaded = source
            .pair_scorer_with(&cross.model, &cross.settings, config.device)
            .map_err(|e| models::load_error(&cross.model, e))?;
        let record = models::record_scorer(loaded.as_ref());
        for (language, name) in &mut cross.by_language {
            *name = models::absolute(name);
            let other = models::scorer_in_place(source, name, config.device, &record)?;
            let other = models::record_scorer(other.as_ref());
            models.cross_by_language.insert(*language, other);
        }
        models.cross = Some(record);
        scorer = Some(loaded);
    }
    Ok(Loaded {
        blueprint,
        models,
        embedder,
        late,
        scorer,
    })
}

/// What splits documents, if the configuration says so. The blueprint gets the numbers.
fn splitter(
    blueprint: &mut Blueprint,
    embedder: Option<&Arc<dyn Embedder>>,
    late: Option<&Arc<dyn TokenEmbedder>>,
    scorer: Option<Arc<dyn PairScorer>>,
) -> Result<Option<Splitter>, Error> {
    let Some(config) = &mut blueprint.passages else {
        return Ok(None);
    };
    let embedder = embedder.filter(|embedder| embedder.spec().name != NO_MODEL);
    let counter = match (embedder, late, scorer) {
        (Some(embedder), ..) => Counter::Embedder(Arc::clone(embedder)),
        (None, Some(late), _) => Counter::TokenEmbedder(Arc::clone(late)),
        (None, None, Some(scorer)) => Counter::Scorer(scorer),
        (None, None, None) => Counter::Words,
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
