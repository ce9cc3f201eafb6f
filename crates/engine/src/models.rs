//! From a model's name in the configuration to a loaded model.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use treffer_types::{
    BoxError, Device, Embedder, EmbedderSettings, Embedding, Fingerprint, ModelDetails, ModelRole,
    ModelSpec, PairScorer, Pooling, ScorerSettings, TokenEmbedder,
};

use crate::blueprint::{DenseConfig, LateConfig, NO_MODEL};
use crate::error::Error;
use crate::manifest::ModelRecord;

/// Where an index gets its models from. The crate `treffer` implements this for models
/// that are known by name; programs that bring their own models do it themselves, and
/// compile neither an inference library nor an HTTP client.
pub trait ModelSource: Send + Sync {
    /// The bi-encoder of this name.
    ///
    /// # Errors
    /// If it cannot be found, fetched or loaded.
    fn embedder(&self, name: &str, device: Device) -> Result<Arc<dyn Embedder>, BoxError>;

    /// The cross-encoder of this name.
    ///
    /// # Errors
    /// If it cannot be found, fetched or loaded.
    fn pair_scorer(&self, name: &str, device: Device) -> Result<Arc<dyn PairScorer>, BoxError>;

    /// The model of late interaction of this name. A source that does not implement this has none.
    ///
    /// # Errors
    /// If it cannot be found, fetched or loaded.
    fn token_embedder(
        &self,
        name: &str,
        device: Device,
    ) -> Result<Arc<dyn TokenEmbedder>, BoxError> {
        let _ = device;
        Err(format!(
            "this program has no models of late interaction, such as `{name}`; leave out [late]"
        )
        .into())
    }

    /// The bi-encoder of this name with settings of the configuration. A source that does not
    /// implement this refuses any setting.
    ///
    /// # Errors
    /// As [`ModelSource::embedder`]; if a setting cannot be followed.
    fn embedder_with(
        &self,
        name: &str,
        settings: &EmbedderSettings,
        device: Device,
    ) -> Result<Arc<dyn Embedder>, BoxError> {
        if settings.is_empty() {
            return self.embedder(name, device);
        }
        Err("the models of this program have no settings; remove query_prefix, passage_prefix and pooling from [dense]".into())
    }

    /// The cross-encoder of this name with settings of the configuration. A source that does
    /// not implement this refuses any setting.
    ///
    /// # Errors
    /// As [`ModelSource::pair_scorer`]; if a setting cannot be followed.
    fn pair_scorer_with(
        &self,
        name: &str,
        settings: &ScorerSettings,
        device: Device,
    ) -> Result<Arc<dyn PairScorer>, BoxError> {
        if settings.is_empty() {
            return self.pair_scorer(name, device);
        }
        Err(
            "the models of this program have no settings; remove label and grades from [cross]"
                .into(),
        )
    }
}

/// A source for indexes that are searched without models.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoModels;

impl ModelSource for NoModels {
    fn embedder(&self, _name: &str, _device: Device) -> Result<Arc<dyn Embedder>, BoxError> {
        Err("this program loads no models".into())
    }

    fn pair_scorer(&self, _name: &str, _device: Device) -> Result<Arc<dyn PairScorer>, BoxError> {
        Err("this program loads no models".into())
    }
}

/// A model that was loaded, and what was asked for: name, settings and place.
type Loaded<S, M> = (String, S, Device, Arc<M>);

/// Models that were loaded.
#[derive(Clone, Default)]
pub(crate) struct LoadedModels {
    embedders: Vec<Loaded<EmbedderSettings, dyn Embedder>>,
    scorers: Vec<Loaded<ScorerSettings, dyn PairScorer>>,
    token_embedders: Vec<Loaded<(), dyn TokenEmbedder>>,
}

/// Gives the models of a source, those among them that are loaded already without asking it, and
/// keeps account of what it gave.
pub(crate) struct SharedModels<'a> {
    source: &'a dyn ModelSource,
    loaded: &'a LoadedModels,
    given: Mutex<LoadedModels>,
}

impl<'a> SharedModels<'a> {
    pub(crate) fn new(source: &'a dyn ModelSource, loaded: &'a LoadedModels) -> Self {
        SharedModels {
            source,
            loaded,
            given: Mutex::default(),
        }
    }

    /// What it gave.
    pub(crate) fn into_given(self) -> LoadedModels {
        let given = self.given.into_inner();
        given.unwrap_or_else(PoisonError::into_inner)
    }

    /// A model, and its entry in the account; `loaded` and `entries` are those of its kind.
    fn give<S: Clone + PartialEq, M: ?Sized>(
        &self,
        (name, settings, device): (&str, &S, Device),
        loaded: &[Loaded<S, M>],
        entries: impl FnOnce(&mut LoadedModels) -> &mut Vec<Loaded<S, M>>,
        load: impl FnOnce() -> Result<Arc<M>, BoxError>,
    ) -> Result<Arc<M>, BoxError> {
        let is_it = |(known, with, on, _): &&Loaded<S, M>| {
            known == name && with == settings && *on == device
        };
        let model = match loaded.iter().find(is_it) {
            Some((.., model)) => Arc::clone(model),
            None => load()?,
        };
        let entry = (
            name.to_owned(),
            settings.clone(),
            device,
            Arc::clone(&model),
        );
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        entries(&mut given).push(entry);
        Ok(model)
    }
}

impl ModelSource for SharedModels<'_> {
    fn embedder(&self, name: &str, device: Device) -> Result<Arc<dyn Embedder>, BoxError> {
        self.embedder_with(name, &EmbedderSettings::default(), device)
    }

    fn pair_scorer(&self, name: &str, device: Device) -> Result<Arc<dyn PairScorer>, BoxError> {
        self.pair_scorer_with(name, &ScorerSettings::default(), device)
    }

    fn embedder_with(
        &self,
        name: &str,
        settings: &EmbedderSettings,
        device: Device,
    ) -> Result<Arc<dyn Embedder>, BoxError> {
        self.give(
            (name, settings, device),
            &self.loaded.embedders,
            |given| &mut given.embedders,
            || self.source.embedder_with(name, settings, device),
        )
    }

    fn pair_scorer_with(
        &self,
        name: &str,
        settings: &ScorerSettings,
        device: Device,
    ) -> Result<Arc<dyn PairScorer>, BoxError> {
        self.give(
            (name, settings, device),
            &self.loaded.scorers,
            |given| &mut given.scorers,
            || self.source.pair_scorer_with(name, settings, device),
        )
    }

    fn token_embedder(
        &self,
        name: &str,
        device: Device,
    ) -> Result<Arc<dyn TokenEmbedder>, BoxError> {
        self.give(
            (name, &(), device),
            &self.loaded.token_embedders,
            |given| &mut given.token_embedders,
            || self.source.token_embedder(name, device),
        )
    }
}

pub(crate) fn load_error(name: &str, source: BoxError) -> Error {
    Error::Model {
        action: "load",
        name: name.into(),
        source,
    }
}

/// The bi-encoder of an index, or what stands for none.
///
/// # Errors
/// If it cannot be found, fetched or loaded.
pub(crate) fn embedder(
    source: &dyn ModelSource,
    config: &DenseConfig,
    device: Device,
) -> Result<Arc<dyn Embedder>, Error> {
    match config.dimension {
        Some(dimension) if config.model == NO_MODEL => Ok(Arc::new(NoEmbedder::new(dimension))),
        _ => source
            .embedder_with(&config.model, &config.settings, device)
            .map_err(|source| load_error(&config.model, source)),
    }
}

/// Stands for the bi-encoder where every vector is given.
struct NoEmbedder {
    spec: ModelSpec,
    fingerprint: Fingerprint,
    dimension: usize,
}

impl NoEmbedder {
    fn new(dimension: usize) -> Self {
        NoEmbedder {
            spec: ModelSpec {
                name: NO_MODEL.into(),
                role: ModelRole::BiEncoder,
                pooling: Pooling::Mean,
                query_prefix: String::new(),
                passage_prefix: String::new(),
                max_length: 0,
                license: "unknown".into(),
                details: ModelDetails::default(),
            },
            fingerprint: Fingerprint(format!("{NO_MODEL}-{dimension}")),
            dimension,
        }
    }
}

const NO_EMBEDDER: &str =
    "the index has no bi-encoder (dense.model is none), so a vector has to be given";

impl Embedder for NoEmbedder {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed_queries(&self, _: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        Err(NO_EMBEDDER.into())
    }

    fn embed_passages(&self, _: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        Err(NO_EMBEDDER.into())
    }

    fn token_ends(&self, _: &str) -> Result<Vec<u32>, BoxError> {
        Err(NO_EMBEDDER.into())
    }

    fn passage_room(&self) -> Result<usize, BoxError> {
        Err(NO_EMBEDDER.into())
    }
}

/// A vector of length 1 in the direction of another, which must have one.
pub(crate) fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let square = |value: &f32| f64::from(*value) * f64::from(*value);
    let length = vector.iter().map(square).sum::<f64>().sqrt();
    for value in &mut vector {
        *value = (f64::from(*value) / length) as f32;
    }
    vector
}

pub(crate) fn record_embedder(model: &dyn Embedder) -> ModelRecord {
    ModelRecord {
        spec: model.spec().clone(),
        fingerprint: model.fingerprint().clone(),
    }
}

/// A cross-encoder that reads some queries in the place of another.
///
/// # Errors
/// If it cannot be found, fetched or loaded, or its scores mean something else.
pub(crate) fn scorer_in_place(
    source: &dyn ModelSource,
    name: &str,
    device: Device,
    of: &ModelRecord,
) -> Result<Arc<dyn PairScorer>, Error> {
    let scorer = source.pair_scorer(name, device);
    let scorer = scorer.map_err(|error| load_error(name, error))?;
    let (has, wanted) = (&scorer.spec().details.scoring, &of.spec.details.scoring);
    if has.grades() != wanted.grades() {
        return Err(Error::Request(format!(
            "cross.by_language names {name}, which gives {has}, while {} gives {wanted}; one ranking cannot be made of both",
            of.spec.name
        )));
    }
    Ok(scorer)
}

pub(crate) fn record_scorer(model: &dyn PairScorer) -> ModelRecord {
    ModelRecord {
        spec: model.spec().clone(),
        fingerprint: model.fingerprint().clone(),
    }
}

pub(crate) fn record_token_embedder(model: &dyn TokenEmbedder) -> ModelRecord {
    ModelRecord {
        spec: model.spec().clone(),
        fingerprint: model.fingerprint().clone(),
    }
}

/// The model of late interaction of an index, for token vectors that are kept as the
/// configuration says.
///
/// # Errors
/// If it cannot be found, fetched or loaded, or its vectors cannot be kept so.
pub(crate) fn token_embedder(
    source: &dyn ModelSource,
    config: &LateConfig,
    device: Device,
) -> Result<Arc<dyn TokenEmbedder>, Error> {
    let loaded = source.token_embedder(&config.model, device);
    let loaded = loaded.map_err(|source| load_error(&config.model, source))?;
    let checked = config.compression.validate_for(loaded.width());
    checked.map_err(|error| Error::Request(format!("{error} with {}", config.model)))?;
    Ok(loaded)
}

impl ModelRecord {
    /// Checks that the loaded model is the one recorded.
    ///
    /// # Errors
    /// Names what differs with both values: the name, a prefix, the pooling, the
    /// maximal length, or else the fingerprint over all files.
    pub(crate) fn check(&self, hand: &ModelRecord) -> Result<(), Error> {
        if self.fingerprint == hand.fingerprint {
            return Ok(());
        }
        let (built, now) = (&self.spec, &hand.spec);
        let quoted = |text: &str| format!("`{text}`");
        let differs = [
            ("name", quoted(&built.name), quoted(&now.name)),
            (
                "query prefix",
                quoted(&built.query_prefix),
                quoted(&now.query_prefix),
            ),
            (
                "passage prefix",
                quoted(&built.passage_prefix),
                quoted(&now.passage_prefix),
            ),
            (
                "pooling",
                built.pooling.to_string(),
                now.pooling.to_string(),
            ),
            (
                "maximal length",
                built.max_length.to_string(),
                now.max_length.to_string(),
            ),
            (
                "scores",
                built.details.scoring.to_string(),
                now.details.scoring.to_string(),
            ),
            (
                "details",
                format!("{:?}", built.details),
                format!("{:?}", now.details),
            ),
            (
                "fingerprint",
                self.fingerprint.to_string(),
                hand.fingerprint.to_string(),
            ),
        ];
        let (what, expected, found) = differs
            .into_iter()
            .find(|(_, expected, found)| expected != found)
            .expect("the fingerprints differ");
        Err(Error::ModelMismatch {
            role: match built.role {
                ModelRole::BiEncoder => "bi-encoder",
                ModelRole::CrossEncoder => "cross-encoder",
                ModelRole::LateInteraction => "late-interaction model",
            },
            name: now.name.clone(),
            what,
            expected,
            found,
        })
    }
}

/// A folder named in a configuration must be found again from wherever the program
/// is started next, so relative ones are made absolute when the index is built.
pub(crate) fn absolute(name: &str) -> String {
    let looks_like_folder = name.starts_with('.') || Path::new(name).is_dir();
    match (looks_like_folder, std::path::absolute(name)) {
        (true, Ok(path)) => path.display().to_string(),
        _ => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use treffer_types::Pooling;

    #[test]
    fn a_source_that_knows_no_settings_refuses_them() {
        let settings = EmbedderSettings {
            pooling: Some(Pooling::Mean),
            ..EmbedderSettings::default()
        };
        let error = NoModels.embedder_with("a", &settings, Device::CPU);
        assert!(error.err().unwrap().to_string().contains("pooling"));
        let settings = ScorerSettings {
            label: Some("yes".into()),
            ..ScorerSettings::default()
        };
        let error = NoModels.pair_scorer_with("a", &settings, Device::CPU);
        assert!(error.err().unwrap().to_string().contains("label"));
        let error = NoModels.embedder_with("a", &EmbedderSettings::default(), Device::CPU);
        assert!(error.err().unwrap().to_string().contains("loads no models"));
    }
}
