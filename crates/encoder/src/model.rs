//! What both kinds of encoder share: a loaded transformer, its tokenizer, and how
//! sequences are run through it.

use candle_core::Tensor;
use treffer_types::{BoxError, Fingerprint, ModelFolder, ModelRole, ModelSpec};

use crate::batch::Batch;
use crate::config::Config;
use crate::device::Device;
use crate::error::Error;
use crate::folder::{CONFIG, Files, TOKENIZER};
use crate::schedule;
use crate::tokenize::{Sequence, TextReader};
use crate::transformer::Transformer;
use crate::weights::Weights;

/// A model without its last step.
pub(crate) struct Model {
    pub(crate) spec: ModelSpec,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) config: Config,
    pub(crate) reader: TextReader,
    pub(crate) transformer: Transformer,
    device: candle_core::Device,
}

impl Model {
    /// Also gives the weights that the transformer left, for a head.
    pub(crate) fn load(
        folder: &ModelFolder,
        device: Device,
        wanted: ModelRole,
    ) -> Result<(Self, Weights), Error> {
        let spec = folder.spec.clone();
        if spec.role != wanted {
            return Err(Error::Role {
                name: spec.name,
                found: spec.role,
                wanted,
            });
        }
        let device = device.open()?;
        let files = Files::read(folder)?;
        let config = Config::parse(&folder.path.join(CONFIG), &files.config)?;
        if spec.max_length > config.max_tokens() {
            return Err(Error::Config {
                path: folder.path.clone(),
                key: "max_length",
                reason: format!(
                    "is {}, but the model has positions for only {} tokens",
                    spec.max_length,
                    config.max_tokens()
                ),
            });
        }
        let reader = TextReader::parse(
            &folder.path.join(TOKENIZER),
            &files.tokenizer,
            config.vocab_size,
            spec.max_length,
        )?;
        let mut weights = Weights::decode(&files, &device)?;
        let model = Model {
            transformer: Transformer::load(&config, &mut weights)?,
            spec,
            fingerprint: files.fingerprint,
            config,
            reader,
            device,
        };
        Ok((model, weights))
    }

    /// One row per sequence, in order; `forward` gives the rows `[size, width]` of
    /// a batch.
    pub(crate) fn run<F>(&self, sequences: &[Sequence], forward: F) -> Result<Vec<Vec<f32>>, Error>
    where
        F: Fn(&Batch) -> candle_core::Result<Tensor> + Sync,
    {
        schedule::run(&self.device, sequences, |members| {
            let batch = Batch::new(&self.config, members, &self.device)?;
            forward(&batch)?.to_vec2()
        })
        .map_err(|source| Error::Run {
            name: self.spec.name.clone(),
            source: source.into(),
        })
    }

    pub(crate) fn tokenize_error(&self, source: BoxError) -> Error {
        Error::Tokenize {
            name: self.spec.name.clone(),
            source,
        }
    }

    pub(crate) fn not_finite(&self) -> Error {
        Error::NotFinite {
            name: self.spec.name.clone(),
        }
    }
}
