//! An open index: its parts, checked and ready to search.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use treffer_api::SearchOptions;
use treffer_bm25::{Bm25Index, Detection, LanguageCounts, Trace};
use treffer_columns::Date;
use treffer_fusion::Weights;
use treffer_store::Store;
use treffer_types::{BoxError, Device, DocId, Language, Query, StageName, stage_list};

use crate::config::Settings;
use crate::data::IndexData;
use crate::error::{Error, part};
use crate::manifest::Manifest;
use crate::models::{LoadedModels, ModelSource, SharedModels};
use crate::pipeline::Available;
use crate::profile::Profile;
use crate::settings_file::{Current, read_settings};
use crate::stages::{OpenContext, Parameters, Registry, Stage, StageQuery, field};

/// An index open for searching, with the models that it needs.
///
/// It is a handle: cloning costs nothing, threads may share it, and it keeps reading the
/// generation that it opened, even while another process replaces the index.
///
/// ```no_run
/// use treffer_engine::api::SearchRequest;
/// use treffer_engine::{Engine, OpenOptions};
/// # fn models() -> Box<dyn treffer_engine::models::ModelSource> { unimplemented!() }
///
/// let engine = Engine::open("my-index".as_ref(), &OpenOptions::default(), &*models())?;
/// let response = engine.search(&SearchRequest::text("quiet refrigerator"))?;
/// println!("{:?}", response.hits.first().map(|hit| &hit.title));
/// # Ok::<(), treffer_engine::Error>(())
/// ```
#[derive(Clone)]
pub struct Engine(Arc<Snapshot>);

/// One immutable generation of an index.
struct Snapshot {
    dir: PathBuf,
    current: Current,
    available: Available,
    options: OpenOptions,
    device: Device,
    stages: Vec<(StageName, Arc<dyn Stage>)>,
    data: IndexData,
    models: LoadedModels,
}

/// What to open.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The stages that will be used; models of others are not loaded. `None` opens all that
    /// the index has.
    pub stages: Option<Vec<StageName>>,
    /// Where models run, instead of where the settings say.
    pub device: Option<Device>,
    /// The kinds of stages that the program knows.
    pub registry: Registry,
    /// The time from which stages of fields count whose origin is `now`; `None` for that of each
    /// search, which is refused where results have to be the same tomorrow.
    pub now: Option<Date>,
}

impl Engine {
    /// Opens the index in `dir`: checks its format, the seals of its parts, its settings and
    /// the fingerprints of the models it needs. Contents are verified later, when a search
    /// touches them.
    ///
    /// # Errors
    /// If one of these checks fails, with the expected and the actual value; if a requested
    /// stage is not in the index.
    pub fn open(
        dir: &Path,
        options: &OpenOptions,
        models: &dyn ModelSource,
    ) -> Result<Self, Error> {
        let manifest = Manifest::read(dir)?;
        open_newest(dir, manifest, options, models, &LoadedModels::default())
    }

    /// The newest generation of the index, if another process committed one since this was
    /// opened. This engine goes on reading the generation that it opened. The models are shared
    /// with it, unless the index was built anew with others: those come from `models`.
    ///
    /// # Errors
    /// As [`open`](Self::open). This engine can be used all the same.
    pub fn newer(&self, models: &dyn ModelSource) -> Result<Option<Self>, Error> {
        let manifest = Manifest::read(self.dir())?;
        if manifest.generation == self.manifest().generation {
            return Ok(None);
        }
        let (options, loaded) = (&self.0.options, &self.0.models);
        open_newest(self.dir(), manifest, options, models, loaded).map(Some)
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        self.0.data.manifest()
    }

    /// Its settings as they were when it was opened.
    pub fn settings(&self) -> &Settings {
        &self.0.current.settings
    }

    /// Why its settings are not those of its `treffer.toml`, if they are not.
    pub fn settings_note(&self) -> Option<&str> {
        self.0.current.note.as_deref()
    }

    /// Where its models run.
    pub fn device(&self) -> Device {
        self.0.device
    }

    /// The stages that were opened, and what they can do.
    pub fn available(&self) -> &Available {
        &self.0.available
    }

    /// Names of the stages that were opened, in the order in which they run.
    pub fn stages(&self) -> Vec<StageName> {
        self.0.available.names()
    }

    /// Number of documents, without deleted ones.
    pub fn n_docs(&self) -> u32 {
        self.manifest().n_documents()
    }

    /// The profile that `options` name, with everything else that they say of it.
    ///
    /// # Errors
    /// If there is no such profile, or a key or value is wrong.
    pub fn profile(&self, options: &SearchOptions) -> Result<Profile, Error> {
        let profile = self.settings().profile_for(options)?;
        if let Some(weights) = &options.weights {
            let mut known = self.0.options.registry.names();
            known.extend(self.settings().field_stages.keys());
            if let Some(unknown) = weights.stages().find(|stage| !known.contains(stage)) {
                return Err(Error::Request(format!(
                    "there is no stage `{unknown}`; stages are {}",
                    stage_list(&known)
                )));
            }
        }
        Ok(profile)
    }

    /// The time from which stages with the origin `now` count, if it was given.
    pub fn now(&self) -> Option<Date> {
        self.0.options.now
    }

    /// The first of these stages whose scores depend on the time of the search, whether or not that
    /// is given.
    pub fn counts_from_now(&self, stages: &[StageName]) -> Option<StageName> {
        let of_fields = self.settings().field_stages.iter();
        let mut moving = of_fields.filter(|(_, stage)| stage.counts_from_now());
        moving.find_map(|(name, _)| stages.contains(name).then_some(*name))
    }

    /// Refuses stages whose scores depend on the time at which `what` runs.
    pub(crate) fn refuse_moving_now(&self, stages: &[StageName], what: &str) -> Result<(), Error> {
        match self
            .counts_from_now(stages)
            .filter(|_| self.now().is_none())
        {
            None => Ok(()),
            Some(stage) => Err(Error::Request(format!(
                "the {stage} stage counts from now, so that {what} would say something else tomorrow; give the day from which it is to count (--now 2024-06-30)"
            ))),
        }
    }

    /// Number of passages of all documents.
    pub fn n_passages(&self) -> u32 {
        self.manifest().n_passages()
    }

    /// Whether any document has more than one passage.
    pub fn has_split_documents(&self) -> bool {
        self.n_passages() > self.n_docs()
    }

    /// Number of passages of a document.
    pub(crate) fn n_passages_of(&self, doc: DocId) -> Result<u32, Error> {
        if !self.has_split_documents() {
            return Ok(1);
        }
        let passages = self.store().passages_of(doc);
        let passages = passages.map_err(part("read", "store", self.dir()))?;
        Ok(passages.len() as u32)
    }

    /// The numbers under which BM25 has a document: its own, or those of its passages.
    pub(crate) fn bm25_rows(&self, doc: DocId) -> Result<Range<u32>, Error> {
        self.data().bm25_rows(doc)
    }

    /// The language of a document, as its record said or as it was detected when the index was
    /// built; `None` if it is unsure. Where BM25 scores passages, that of the first. Costs a look
    /// into a column.
    ///
    /// # Errors
    /// If the index holds no such document or cannot be read.
    pub fn language_of(&self, doc: DocId) -> Result<Option<Language>, Error> {
        let first = DocId(self.bm25_rows(doc)?.start);
        let language = self.bm25().language_of(first);
        language.map_err(part("read", "BM25 part", self.dir()))
    }

    /// The language of a query, and what speaks for it. With the analyzer `mixed`, BM25 asks in
    /// this language, or in all if it is unsure.
    pub fn detect_language(&self, query: &str) -> Detection {
        self.bm25().detect(query)
    }

    /// What becomes of a text in BM25, as a document and as a query.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn analyze(&self, text: &str) -> Result<Trace, Error> {
        let trace = self.bm25().trace(text);
        trace.map_err(part("read", "BM25 part", self.dir()))
    }

    /// Number of documents by language.
    pub fn languages(&self) -> LanguageCounts {
        self.bm25().languages()
    }

    /// Whether it is known that documents are in several languages.
    pub fn has_several_languages(&self) -> bool {
        let LanguageCounts {
            de,
            en,
            other,
            unsure: _,
        } = self.languages();
        [de, en, other].into_iter().filter(|n| *n > 0).count() > 1
    }

    pub(crate) fn data(&self) -> &IndexData {
        &self.0.data
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.data.store
    }

    pub(crate) fn bm25(&self) -> &Bm25Index {
        &self.0.data.bm25
    }

    /// The corpus's id of a document.
    pub(crate) fn doc_id(&self, doc: DocId) -> Result<&str, Error> {
        self.store()
            .id(doc)
            .map_err(part("read", "store", self.dir()))
    }

    /// The document that has this id, if there is one.
    ///
    /// # Errors
    /// If the ids cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<DocId>, Error> {
        self.store()
            .find(id)
            .map_err(part("read", "store", self.dir()))
    }

    /// Prepares a stage for queries; see [`Stage::begin`](crate::stages::Stage::begin).
    pub(crate) fn begin<'a>(
        &'a self,
        stage: StageName,
        queries: &[&'a Query],
        parameters: Parameters,
    ) -> Result<Vec<Box<dyn StageQuery + 'a>>, BoxError> {
        let mut stages = self.0.stages.iter();
        let (_, opened) = stages
            .find(|(name, _)| *name == stage)
            .ok_or_else(|| format!("the {stage} stage was not opened"))?;
        let answers = opened.begin(queries, parameters)?;
        if answers.len() != queries.len() {
            let (found, expected) = (answers.len(), queries.len());
            return Err(format!("it began {found} of {expected} queries").into());
        }
        Ok(answers)
    }
}

impl Settings {
    /// The profile that `options` name, with everything else that they say of it.
    ///
    /// # Errors
    /// If there is no such profile, or a key or value is wrong.
    pub fn profile_for(&self, options: &SearchOptions) -> Result<Profile, Error> {
        let mut profile = self
            .profile(&options.profile)?
            .with_overrides(&options.set)?;
        if let Some(weights) = &options.weights {
            profile.weights = Weights::from_decimals(weights.clone())
                .map_err(|error| Error::Request(error.to_string()))?;
            profile.learned = None; // the request sets weights, and a learned fusion has its own
        }
        Ok(profile)
    }
}

impl Snapshot {
    fn open(
        dir: &Path,
        manifest: &Manifest,
        options: &OpenOptions,
        models: &dyn ModelSource,
        loaded: &LoadedModels,
    ) -> Result<Self, Error> {
        let current = read_settings(dir, manifest)?;
        let settings = &current.settings;
        let available = available(manifest, settings, options)?;
        let mut bm25_config = manifest.blueprint.bm25.clone();
        (bm25_config.k1, bm25_config.b) = (settings.bm25.k1, settings.bm25.b);
        let data = IndexData::open(dir, manifest, &bm25_config)?;
        let device = options.device.unwrap_or(settings.device);
        let models = SharedModels::new(models, loaded);
        let context = OpenContext {
            data: &data,
            models: &models,
            device,
        };
        // Loading models dominates, so stages are opened in parallel.
        let stages = available
            .stages
            .par_iter()
            .map(|stage| {
                let name = stage.name;
                if let Some(of_field) = settings.field_stages.get(&name) {
                    let opened = field::open(&data, of_field, options.now);
                    return Ok((name, opened.map_err(|what| field::refused(name, &what))?));
                }
                let kind = options.registry.get(name);
                let kind = kind.ok_or_else(|| unknown_kind(name))?;
                Ok((name, (kind.open)(&context)?))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(Snapshot {
            dir: dir.into(),
            current,
            available,
            options: options.clone(),
            device,
            stages,
            models: models.into_given(),
            data,
        })
    }
}

/// Opens the generation of `manifest`, or a newer one if another process commits one meanwhile.
/// Of `loaded`, no model is loaded again.
fn open_newest(
    dir: &Path,
    mut manifest: Manifest,
    options: &OpenOptions,
    models: &dyn ModelSource,
    loaded: &LoadedModels,
) -> Result<Engine, Error> {
    loop {
        match Snapshot::open(dir, &manifest, options, models, loaded) {
            // Replaced while being opened: the files of the old generation are gone.
            Err(error) => match Manifest::read(dir) {
                Ok(newer) if newer.generation > manifest.generation => manifest = newer,
                _ => return Err(error),
            },
            Ok(snapshot) => return Ok(Engine(Arc::new(snapshot))),
        }
    }
}

fn unknown_kind(stage: StageName) -> Error {
    Error::Request(format!("this program has no {stage} stage"))
}

/// The requested stages, or all that the index has.
fn available(
    manifest: &Manifest,
    settings: &Settings,
    options: &OpenOptions,
) -> Result<Available, Error> {
    let of_fields = &settings.field_stages;
    let available = Available::in_index(manifest, options.registry).with_field_stages(of_fields);
    let Some(wanted) = &options.stages else {
        return Ok(available);
    };
    let names = available.names();
    match wanted.iter().find(|stage| !names.contains(stage)) {
        None => Ok(available.limited_to(wanted)),
        Some(missing) => Err(Error::Request(format!(
            "this index has no {missing} stage; it was built with {}{}",
            stage_list(&names),
            if *missing == StageName::LATE {
                ", and without token vectors: build it again with late.model set"
            } else {
                ""
            }
        ))),
    }
}
