//! Models of late interaction, which embed a text as one unit vector for each token (ColBERT:
//! Khattab and Zaharia 2020, <https://arxiv.org/abs/2004.12832>).

use rayon::prelude::*;
use treffer_types::{
    BoxError, Device, Fingerprint, ModelFolder, ModelRole, ModelSpec, TokenEmbedder, TokenEmbedding,
};

use crate::bi_encoder::unit;
use crate::error::Error;
use crate::model::Model;
use crate::tokenize::Sequence;

/// A transformer whose token vectors after the last layer are normalized, those of the special
/// tokens included.
pub struct LateEncoder {
    model: Model,
}

impl LateEncoder {
    /// Loads the model of `folder` onto `device`.
    ///
    /// # Errors
    /// If the folder's role is not [`ModelRole::LateInteraction`], a file is missing, damaged or
    /// differs from its pinned checksum, the files do not match each other, or the device cannot
    /// be opened.
    pub fn load(folder: &ModelFolder, device: Device) -> Result<Self, Error> {
        let (model, _) = Model::load(folder, device, ModelRole::LateInteraction)?;
        for (key, prefix) in [
            ("query_prefix", &model.spec.query_prefix),
            ("passage_prefix", &model.spec.passage_prefix),
        ] {
            let tokens = model.reader.tokens(prefix);
            let tokens = tokens.map_err(|source| model.tokenize_error(source))?;
            if tokens.len() >= model.reader.room() {
                return Err(Error::Config {
                    path: folder.path.clone(),
                    key,
                    reason: format!(
                        "has so many tokens that of the {} of the model none is left for a text",
                        model.spec.max_length
                    ),
                });
            }
        }
        Ok(LateEncoder { model })
    }

    /// Tokenizes the texts, runs the model and normalizes.
    fn embed(&self, prefix: &str, texts: &[&str]) -> Result<Vec<TokenEmbedding>, Error> {
        let model = &self.model;
        let read = |text: &&str| match prefix {
            "" => model.reader.single(text),
            prefix => model.reader.single(&format!("{prefix}{text}")),
        };
        let sequences: Vec<Sequence> = texts
            .par_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|source| model.tokenize_error(source))?;
        let width = self.width();
        let embedding = |(rows, sequence): (Vec<f32>, &Sequence)| {
            let mut vectors = Vec::with_capacity(rows.len());
            for row in rows.chunks_exact(width) {
                vectors.extend(unit(row).ok_or_else(|| model.not_finite())?);
            }
            Ok(TokenEmbedding {
                vectors,
                tokens_cut: sequence.tokens_cut,
            })
        };
        let rows = model.run_tokens(&sequences)?;
        rows.into_par_iter()
            .zip(&sequences)
            .map(embedding)
            .collect()
    }
}

impl TokenEmbedder for LateEncoder {
    fn spec(&self) -> &ModelSpec {
        &self.model.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.model.fingerprint
    }

    fn width(&self) -> usize {
        self.model.config.hidden_size
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError> {
        Ok(self.embed(&self.model.spec.query_prefix, queries)?)
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError> {
        Ok(self.embed(&self.model.spec.passage_prefix, passages)?)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        let ends = self.model.reader.token_ends(text);
        Ok(ends.map_err(|source| self.model.tokenize_error(source))?)
    }

    fn passage_room(&self) -> Result<usize, BoxError> {
        let reader = &self.model.reader;
        let prefix = reader.tokens(&self.model.spec.passage_prefix)?.len();
        Ok(reader.room().saturating_sub(prefix))
    }
}
