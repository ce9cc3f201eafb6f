//! An open index: its parts, checked and ready to search.

use std::path::{Path, PathBuf};

use treffer_dense::DenseIndex;
use treffer_encoder::Device;
use treffer_bm25::Bm25Index;
use treffer_store::Store;
use treffer_types::{Embedder, PairScorer, StageName};

use crate::config::Settings;
use crate::error::{Error, part};
use crate::manifest::{Manifest, SETTINGS};
use crate::models::{self, ModelSource};

/// An index open for searching. It may be shared between threads.
///
/// It keeps reading the generation that it opened, also while another process
/// replaces the index.
pub struct Index {
    dir: PathBuf,
    manifest: Manifest,
    settings: Settings,
    stages: Vec<StageName>,
    pub(crate) store: Store,
    pub(crate) bm25: Bm25Index,
    pub(crate) dense: Option<Dense>,
    pub(crate) cross: Option<Box<dyn PairScorer>>,
}

/// The vectors and the model that speaks their language.
pub(crate) struct Dense {
    pub(crate) index: DenseIndex,
    pub(crate) embedder: Box<dyn Embedder>,
}

/// What to open.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The stages that will be used; models of others are not loaded. `None`: all
    /// that the index has.
    pub stages: Option<Vec<StageName>>,
    /// Where models run, instead of where the settings say.
    pub device: Option<Device>,
}

impl Index {
    /// Opens the index in `dir`: checks its format, every file's checksum, its
    /// settings and the identity of the models it needs.
    ///
    /// # Errors
    /// If any of these does not hold, with both values named; if a stage is asked
    /// for that the index does not have.
    pub fn open(
        dir: &Path,
        options: &OpenOptions,
        source: &dyn ModelSource,
    ) -> Result<Self, Error> {
        let mut manifest = Manifest::read(dir)?;
        loop {
            match Index::open_generation(dir, &manifest, options, source) {
                // Replaced while being opened: the files went with the generation.
                Err(error) => match Manifest::read(dir) {
                    Ok(newer) if newer.generation > manifest.generation => manifest = newer,
                    _ => return Err(error),
                },
                opened => return opened,
            }
        }
    }

    fn open_generation(
        dir: &Path,
        manifest: &Manifest,
        options: &OpenOptions,
        source: &dyn ModelSource,
    ) -> Result<Self, Error> {
        let settings = Settings::read(&dir.join(SETTINGS))?;
        let stages = stages_to_open(manifest, options)?;
        let [segment] = manifest.segments.as_slice() else {
            return Err(Error::Damaged {
                path: dir.join(crate::manifest::MANIFEST),
                what: format!("it names {} segments, one is read", manifest.segments.len()),
            });
        };
        let place = dir.join(&segment.name);
        segment.verify(&place)?;

        let device = options.device.unwrap_or(settings.device);
        let wanted = |stage| stages.contains(&stage);
        let dense_dir = place.join("dense");
        let (dense, cross) = rayon::join(
            || wanted(StageName::Dense).then(|| open_dense(manifest, &dense_dir, device, source)),
            || wanted(StageName::Cross).then(|| open_cross(manifest, device, source)),
        );
        let (dense, cross) = (dense.transpose()?, cross.transpose()?);
        let mut bm25_config = manifest.blueprint.bm25.clone();
        (bm25_config.k1, bm25_config.b) = (settings.k1, settings.b);
        let bm25_dir = place.join("bm25");
        let store_dir = place.join("store");
        Ok(Index {
            bm25: Bm25Index::open(&bm25_dir, &bm25_config).map_err(part(
                "open",
                "bm25 part",
                &bm25_dir,
            ))?,
            store: Store::open(&store_dir).map_err(part("open", "store", &store_dir))?,
            dir: dir.into(),
            manifest: manifest.clone(),
            settings,
            stages,
            dense,
            cross,
        })
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it consists of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its settings as they were when it was opened.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The stages that were opened.
    pub fn stages(&self) -> &[StageName] {
        &self.stages
    }

    /// Number of documents.
    pub fn n_docs(&self) -> u32 {
        self.manifest.n_documents()
    }
}

/// The stages asked for, or all that the index has.
fn stages_to_open(manifest: &Manifest, options: &OpenOptions) -> Result<Vec<StageName>, Error> {
    let available = manifest.blueprint.stages();
    let Some(wanted) = &options.stages else {
        return Ok(available);
    };
    match wanted.iter().find(|stage| !available.contains(stage)) {
        None => Ok(available
            .into_iter()
            .filter(|stage| wanted.contains(stage))
            .collect()),
        Some(missing) => Err(Error::Request(format!(
            "this index has no {missing} stage; it was built with {}",
            names(&available)
        ))),
    }
}

/// Stage names for a message, as in "bm25, dense".
pub fn names(stages: &[StageName]) -> String {
    let names: Vec<&str> = stages.iter().map(|stage| stage.as_str()).collect();
    names.join(", ")
}

fn open_dense(
    manifest: &Manifest,
    dir: &Path,
    device: Device,
    source: &dyn ModelSource,
) -> Result<Dense, Error> {
    let blueprint = manifest.blueprint.dense.as_ref();
    let (Some(blueprint), Some(record)) = (blueprint, &manifest.models.dense) else {
        return Err(Error::Request("this index has no dense stage".into()));
    };
    let embedder = source
        .embedder(&blueprint.model, device)
        .map_err(|e| models::load_error(&blueprint.model, e))?;
    record.check(&models::record_embedder(embedder.as_ref()))?;
    let index = DenseIndex::open(dir).map_err(part("open", "dense part", dir))?;
    Ok(Dense { index, embedder })
}

fn open_cross(
    manifest: &Manifest,
    device: Device,
    source: &dyn ModelSource,
) -> Result<Box<dyn PairScorer>, Error> {
    let blueprint = manifest.blueprint.cross.as_ref();
    let (Some(blueprint), Some(record)) = (blueprint, &manifest.models.cross) else {
        return Err(Error::Request("this index has no cross stage".into()));
    };
    let scorer = source
        .pair_scorer(&blueprint.model, device)
        .map_err(|e| models::load_error(&blueprint.model, e))?;
    record.check(&models::record_scorer(scorer.as_ref()))?;
    Ok(scorer)
}
