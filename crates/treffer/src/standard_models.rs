//! Models by name: found in the registry, fetched when they are first needed, and run by
//! the encoder.

use std::path::Path;
use std::sync::Arc;

use treffer_encoder::{
    BiEncoder, CrossEncoder, LateEncoder, describe_embedder, describe_late, describe_scorer,
};
use treffer_engine::models::ModelSource;
use treffer_models::{Fetched, Registry};
use treffer_types::{
    BoxError, Device, Embedder, EmbedderSettings, ModelFolder, ModelRole, ModelSpec, NoProgress,
    PairScorer, Progress, ScorerSettings, TokenEmbedder,
};

/// The models of a [`Registry`], of the model hub, and of folders on disk.
///
/// A name is read as on the command line: that of a registered model, as in
/// `bge-small-en-v1.5`; `hf:ORGANIZATION/NAME`, with `@REVISION` if need be; or the path
/// of a folder.
pub struct StandardModels<'a> {
    registry: Registry,
    progress: &'a dyn Progress,
}

impl StandardModels<'static> {
    /// The built-in registry with the usual cache folder, see [`Registry::default_cache`].
    ///
    /// # Errors
    /// If no environment variable tells where that folder is.
    pub fn from_default_cache() -> Result<Self, treffer_models::Error> {
        Ok(StandardModels::new(Registry::new(
            Registry::default_cache()?
        )))
    }

    /// The models of this registry. Downloads are not reported.
    pub fn new(registry: Registry) -> Self {
        StandardModels {
            registry,
            progress: &NoProgress,
        }
    }
}

impl<'a> StandardModels<'a> {
    /// The same, with downloads reported to `progress`, which can also cancel them.
    #[must_use]
    pub fn with_progress<'b>(self, progress: &'b dyn Progress) -> StandardModels<'b> {
        StandardModels {
            registry: self.registry,
            progress,
        }
    }

    /// Where the models come from.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The folder of a model, fetched if it is not on this machine yet, with a
    /// description that says how to run it.
    ///
    /// # Errors
    /// If the name is unknown, the model cannot be fetched, is not a `role`, or its
    /// folder does not say enough to run it.
    pub fn folder(&self, name: &str, role: ModelRole) -> Result<ModelFolder, BoxError> {
        match role {
            ModelRole::BiEncoder => self.embedder_folder(name, &EmbedderSettings::default()),
            ModelRole::CrossEncoder => self.scorer_folder(name, &ScorerSettings::default()),
            ModelRole::LateInteraction => self.described(name, role, describe_late),
        }
    }

    /// As [`StandardModels::folder`], for a bi-encoder with these settings.
    ///
    /// # Errors
    /// As [`StandardModels::folder`].
    pub fn embedder_folder(
        &self,
        name: &str,
        settings: &EmbedderSettings,
    ) -> Result<ModelFolder, BoxError> {
        let describe = |path: &Path| describe_embedder(path, settings);
        let mut folder = self.described(name, ModelRole::BiEncoder, describe)?;
        settings.apply(&mut folder.spec);
        Ok(folder)
    }

    /// As [`StandardModels::folder`], for a cross-encoder with these settings.
    ///
    /// # Errors
    /// As [`StandardModels::folder`]; if the settings contradict each other.
    pub fn scorer_folder(
        &self,
        name: &str,
        settings: &ScorerSettings,
    ) -> Result<ModelFolder, BoxError> {
        let describe = |path: &Path| describe_scorer(path, settings);
        let mut folder = self.described(name, ModelRole::CrossEncoder, describe)?;
        if let Some(scoring) = settings.scoring()? {
            folder.spec.details.scoring = scoring;
        }
        Ok(folder)
    }

    fn described(
        &self,
        name: &str,
        role: ModelRole,
        describe: impl Fn(&Path) -> Result<ModelSpec, treffer_encoder::Error>,
    ) -> Result<ModelFolder, BoxError> {
        // A registered model's role is known before anything is fetched.
        match self.registry.fetch_for(name, role, self.progress)? {
            Fetched::Ready(folder) => Ok(folder),
            Fetched::Undescribed { path, sha256 } => {
                let spec = describe(&path)?;
                Ok(ModelFolder { path, spec, sha256 })
            }
        }
    }
}

impl ModelSource for StandardModels<'_> {
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
        let folder = self.embedder_folder(name, settings)?;
        Ok(Arc::new(BiEncoder::load(&folder, device)?))
    }

    fn pair_scorer_with(
        &self,
        name: &str,
        settings: &ScorerSettings,
        device: Device,
    ) -> Result<Arc<dyn PairScorer>, BoxError> {
        let folder = self.scorer_folder(name, settings)?;
        Ok(Arc::new(CrossEncoder::load(&folder, device)?))
    }

    fn token_embedder(
        &self,
        name: &str,
        device: Device,
    ) -> Result<Arc<dyn TokenEmbedder>, BoxError> {
        let folder = self.folder(name, ModelRole::LateInteraction)?;
        Ok(Arc::new(LateEncoder::load(&folder, device)?))
    }
}
