//! The parts of a model in plain numbers, for a program that trains it: shape, tensors and
//! tokens, as the models of this crate read them.

use treffer_types::{Fingerprint, ModelFolder};

pub use crate::config::{Activation, Family};

use crate::batch::{positions_of, segments_of};
use crate::config::Config;
use crate::error::Error;
use crate::folder::{Files, TOKENIZER};
use crate::tokenize::{Limits, Sequence, TextReader};
use crate::weights::Weights;

/// The sizes of a model and what differs between models of the same sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Its family, which says where positions begin and what its head is.
    pub family: Family,
    /// Number of word pieces.
    pub vocabulary: usize,
    /// Width of the states between layers.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of attention heads; divides `hidden`.
    pub heads: usize,
    /// Width within the feed-forward block.
    pub inner: usize,
    /// Number of rows of the position table.
    pub positions: usize,
    /// Number of rows of the segment table.
    pub segments: usize,
    /// Number of classes of the head; 1 for a model without one.
    pub classes: usize,
    /// Activation function of the feed-forward block.
    pub activation: Activation,
    /// Added to the variance in layer norms.
    pub eps: f32,
}

/// A model that is not put together.
pub struct Parts {
    shape: Shape,
    config: Config,
    reader: TextReader,
    weights: Weights,
    fingerprint: Fingerprint,
    folder: ModelFolder,
}

/// A text or a pair of texts as a model reads it. All have one value for each token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Rows of the table of word pieces.
    pub ids: Vec<u32>,
    /// Rows of the segment table.
    pub segments: Vec<u32>,
    /// Rows of the position table.
    pub positions: Vec<u32>,
}

impl Parts {
    /// Reads the files of `folder`, of either role. Texts and pairs are cut to `max_length`
    /// tokens.
    ///
    /// # Errors
    /// As when a model is loaded, and if embeddings are narrower than layers, as in small
    /// ELECTRA models, or `max_length` is more than the model has positions for.
    pub fn open(folder: &ModelFolder, max_length: usize) -> Result<Self, Error> {
        let files = Files::read(folder)?;
        let config = files.config.clone();
        if config.embedding_size != config.hidden_size {
            return Err(Error::Unsupported {
                path: folder.path.clone(),
                reason:
                    "its embeddings are narrower than its layers, which cannot be trained here; \
                         take a model of BERT's or RoBERTa's family"
                        .to_owned(),
            });
        }
        if max_length > config.max_tokens() {
            return Err(Error::Config {
                path: folder.path.clone(),
                key: "max_length",
                reason: format!(
                    "is {max_length}, but the model has positions for only {} tokens",
                    config.max_tokens()
                ),
            });
        }
        let limits = Limits {
            vocab_size: config.vocab_size,
            max_length,
            lower_case: folder.spec.details.lower_case,
        };
        let path = folder.path.join(TOKENIZER);
        let reader = TextReader::parse(&path, &files.tokenizer, limits)?;
        let weights = Weights::decode(&files, &candle_core::Device::Cpu)?;
        let classes = match config.family {
            Family::Bert => "classifier.weight",
            Family::Roberta | Family::Electra => "classifier.out_proj.weight",
        };
        let shape = Shape {
            family: config.family,
            vocabulary: config.vocab_size,
            hidden: config.hidden_size,
            layers: config.layers,
            heads: config.heads,
            inner: config.intermediate_size,
            positions: config.positions,
            segments: config.segments,
            classes: weights.rows(classes).unwrap_or(1),
            activation: config.activation,
            eps: config.layer_norm_eps as f32,
        };
        Ok(Parts {
            shape,
            config,
            reader,
            weights,
            fingerprint: files.fingerprint,
            folder: folder.clone(),
        })
    }

    /// The model's sizes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Identifies the files.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The folder that it was read from.
    pub fn folder(&self) -> &ModelFolder {
        &self.folder
    }

    /// Takes a tensor of the encoder, named as in a file without a prefix, in row-major order.
    ///
    /// # Errors
    /// If there is none or it has another shape.
    pub fn encoder(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        self.weights.encoder_values(name, shape)
    }

    /// Takes a tensor of the head by its full name.
    ///
    /// # Errors
    /// As [`Parts::encoder`].
    pub fn head(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        self.weights.values(name, shape)
    }

    /// The tokens of a query, which is read once for many passages.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn query(&self, query: &str) -> Result<Vec<u32>, Error> {
        self.wrapped(self.reader.tokens(query))
    }

    /// The sequence of a query and a passage, cut as a cross-encoder cuts it. Prefixes are not
    /// added.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn pair(&self, query: &[u32], passage: &str) -> Result<Tokens, Error> {
        let sequence = self.wrapped(self.reader.pair(query, passage))?;
        Ok(self.as_read(sequence))
    }

    /// The sequence of `text` after `prefix`, cut as a bi-encoder cuts it.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn single(&self, prefix: &str, text: &str) -> Result<Tokens, Error> {
        let sequence = self.wrapped(self.reader.single(&format!("{prefix}{text}")))?;
        Ok(self.as_read(sequence))
    }

    fn as_read(&self, sequence: Sequence) -> Tokens {
        Tokens {
            segments: segments_of(&self.config, &sequence.segments).collect(),
            positions: positions_of(&self.config, &sequence.ids),
            ids: sequence.ids,
        }
    }

    fn wrapped<T>(&self, result: Result<T, treffer_types::BoxError>) -> Result<T, Error> {
        result.map_err(|source| Error::Tokenize {
            name: self.folder.spec.name.clone(),
            source,
        })
    }
}
