//! Changing an index: adding documents and deleting them.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use treffer_corpus::{Problem, ReadOptions};
use treffer_types::{Device, Embedder, PairScorer, Progress, TokenEmbedder};

use super::commit::Workplace;
use super::language::RecordLanguages;
use super::reading::Reading;
use super::session::{Kind, Session};
use super::writing::Writing;
use super::{WriteReport, given, merge, splitter, vector_field, write};
use crate::error::Error;
use crate::manifest::Manifest;
use crate::models::{self, ModelSource};
use crate::settings_file::read_settings;

/// What to add, and to which index.
pub struct AddRequest<'a> {
    /// The folder of the index.
    pub dir: &'a Path,
    /// Files, folders, or `-` for standard input.
    pub inputs: &'a [PathBuf],
    /// Vectors of the documents in NumPy's format: a row for each record of all inputs, in their
    /// order, bad ones included.
    pub vectors: Option<&'a Path>,
    /// How the inputs are read.
    pub reading: &'a ReadOptions,
    /// Whether the first bad record ends it; what was committed before stays.
    pub strict: bool,
    /// Documents after which what was read is committed; `None` commits once, at the end.
    pub commit_every: Option<u32>,
    /// Where the bi-encoder runs, instead of where the settings say.
    pub device: Option<Device>,
    /// Whether segments are merged when that pays.
    pub merges: bool,
}

/// Adds documents to an index, each in the place of the one that has its id. A document that is
/// there as it is costs no encoding; nor does one whose metadata alone changed.
///
/// Bad records are passed to `on_problem` and skipped.
///
/// # Errors
/// If there is no index, another process is writing it, the bi-encoder cannot be loaded or is
/// another than the index was built with, the inputs hold no document, a file cannot be written,
/// `strict` is set and a record is bad, or `progress` says to stop. What was committed before
/// stays.
pub fn add(
    request: &AddRequest<'_>,
    source: &dyn ModelSource,
    progress: &dyn Progress,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<WriteReport, Error> {
    let (workplace, mut manifest) = Workplace::enter_index(request.dir)?;
    let vectors = given::open(request.vectors)?;
    given::check_added(&mut manifest.blueprint, vectors.as_ref())?;
    let settings = read_settings(request.dir, &manifest)?.settings;
    let device = request.device.unwrap_or(settings.device);
    let (embedder, scorer) = load_models(&manifest, device, source)?;
    given::check_dimension(vectors.as_ref(), embedder.as_deref())?;
    let late = load_late(&manifest, device, source)?;
    let mut blueprint = manifest.blueprint.clone();
    let splitter = splitter(&mut blueprint, embedder.as_ref(), late.as_ref(), scorer)?;
    let writing = Writing {
        embedder,
        late,
        splitter: splitter.map(Arc::new),
        vectors: vectors.as_ref(),
        languages: RecordLanguages::new(&manifest.blueprint.language),
        pieces: Vec::new(),
        commit_every: request.commit_every,
        shift: OnceCell::new(),
        progress,
    };
    let session = Session::begin(workplace, manifest, writing, Kind::Change)?;
    let reading = Reading {
        inputs: request.inputs,
        vectors: vectors.as_ref(),
        vector_field: vector_field(blueprint.dense.as_ref()),
        options: request.reading,
        strict: request.strict,
        progress,
        on_problem,
    };
    write(session, reading, request.merges)
}

type Loaded = (Option<Arc<dyn Embedder>>, Option<Arc<dyn PairScorer>>);

/// The bi-encoder, which must be that of the index. Without one and without late interaction, the
/// cross-encoder counts tokens where documents are split.
fn load_models(
    manifest: &Manifest,
    device: Device,
    source: &dyn ModelSource,
) -> Result<Loaded, Error> {
    let blueprint = &manifest.blueprint;
    if let (Some(dense), Some(record)) = (&blueprint.dense, &manifest.models.dense) {
        let loaded = models::embedder(source, dense, device)?;
        record.check(&models::record_embedder(loaded.as_ref()))?;
        return Ok((Some(loaded), None));
    }
    if blueprint.late.is_some() {
        return Ok((None, None));
    }
    let (Some(cross), Some(record), Some(_)) = (
        &blueprint.cross,
        &manifest.models.cross,
        &blueprint.passages,
    ) else {
        return Ok((None, None));
    };
    let loaded = source.pair_scorer_with(&cross.model, &cross.settings, device);
    let loaded = loaded.map_err(|error| models::load_error(&cross.model, error))?;
    record.check(&models::record_scorer(loaded.as_ref()))?;
    Ok((None, Some(loaded)))
}

/// The model of late interaction, which must be that of the index.
pub(super) fn load_late(
    manifest: &Manifest,
    device: Device,
    source: &dyn ModelSource,
) -> Result<Option<Arc<dyn TokenEmbedder>>, Error> {
    let (Some(late), Some(record)) = (&manifest.blueprint.late, &manifest.models.late) else {
        return Ok(None);
    };
    let loaded = models::token_embedder(source, late, device)?;
    record.check(&models::record_token_embedder(loaded.as_ref()))?;
    Ok(Some(loaded))
}

/// What to delete, and from which index.
pub struct DeleteRequest<'a> {
    /// The folder of the index.
    pub dir: &'a Path,
    /// The ids of the documents.
    pub ids: &'a [String],
    /// Also all documents that this filter holds for.
    pub filter: Option<String>,
    /// Whether segments are merged when that pays.
    pub merges: bool,
}

/// What deleting did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteReport {
    /// Documents that were deleted.
    pub deleted: u32,
    /// Ids that no document has, ascending, each once.
    pub unknown: Vec<String>,
    /// Documents in the index now.
    pub documents: u32,
    /// What failed after the commit, which stands.
    pub warnings: Vec<String>,
}

/// Deletes documents. Ids that no document has are reported and change nothing.
///
/// # Errors
/// If there is no index, another process is writing it, the filter is wrong, or a file cannot be
/// written.
pub fn delete(request: &DeleteRequest<'_>, progress: &dyn Progress) -> Result<DeleteReport, Error> {
    let (workplace, manifest) = Workplace::enter_index(request.dir)?;
    let writing = Writing::without_models(&manifest, progress);
    let mut session = Session::begin(workplace, manifest, writing, Kind::Change)?;
    // First, because a filter that is wrong is to change nothing.
    if let Some(filter) = &request.filter {
        session.delete_filtered(filter)?;
    }
    let mut unknown = Vec::new();
    for id in request.ids.iter().collect::<BTreeSet<_>>() {
        if !session.delete(id)? {
            unknown.push(id.clone());
        }
    }
    session.commit(false)?;
    if request.merges {
        merge::by_policy(&mut session)?;
    }
    let (counts, _, manifest) = session.into_counts();
    Ok(DeleteReport {
        deleted: counts.deleted,
        unknown,
        documents: manifest.n_documents(),
        warnings: counts.warnings,
    })
}
