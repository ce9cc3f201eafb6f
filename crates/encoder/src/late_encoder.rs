//! Models of late interaction, which embed a text as one unit vector for each token (ColBERT:
//! Khattab and Zaharia 2020, <https://arxiv.org/abs/2004.12832>).

use std::any::Any;
use std::path::Path;

use rayon::prelude::*;
use treffer_types::{
    BothEmbeddings, BoxError, Colbert, Device, Embedder, Fingerprint, ModelFolder, ModelRole,
    ModelSpec, TextToken, TokenEmbedder, TokenEmbedding,
};

use crate::bi_encoder::{BiEncoder, unit};
use crate::error::Error;
use crate::layers::Layers;
use crate::model::Model;
use crate::tokenize::Sequence;

/// A transformer whose token vectors after the last layer, and after the model's projection if it
/// has one, are normalized, those of the special tokens included unless the spec says otherwise.
pub struct LateEncoder {
    model: Model,
    projection: Layers,
    queries: Side,
    passages: Side,
    /// Ids of tokens of passages whose vectors are left out.
    skipped: Vec<u32>,
}

/// How the texts of one kind are read.
struct Side {
    prefix: String,
    marker: Option<u32>,
    /// Maximal number of tokens, special ones included.
    most: usize,
    expansion: Option<Filler>,
    /// Number of tokens at the beginning and at the end that have no vectors.
    left_out: (usize, usize),
}

/// What fills up a text.
struct Filler {
    id: u32,
    attended: bool,
}

impl LateEncoder {
    /// Loads the model of `folder` onto `device`.
    ///
    /// # Errors
    /// If the folder's role is not [`ModelRole::LateInteraction`], a file is missing, damaged or
    /// differs from its pinned checksum, the files do not match each other, the tokenizer lacks a
    /// token that the spec names, or the device cannot be opened.
    pub fn load(folder: &ModelFolder, device: Device) -> Result<Self, Error> {
        let (model, rest) = Model::load(folder, device, ModelRole::LateInteraction)?;
        let side = |prefix: &String| Side {
            prefix: prefix.clone(),
            marker: None,
            most: model.spec.max_length,
            expansion: None,
            left_out: (0, 0),
        };
        let mut queries = side(&model.spec.query_prefix);
        let mut passages = side(&model.spec.passage_prefix);
        let mut skipped = Vec::new();
        if let Some(colbert) = &model.spec.details.colbert {
            follow(&model, colbert, &mut queries, &mut passages, &mut skipped)?;
        }
        for (key, side) in [("query_prefix", &queries), ("passage_prefix", &passages)] {
            side.check(&model, key, &folder.path)?;
        }
        if model.spec.details.content_only {
            for side in [&mut queries, &mut passages] {
                let before = model.reader.prefix_length(&side.prefix);
                let before = before.map_err(|source| model.tokenize_error(source))?;
                side.left_out = (before, model.reader.specials_behind());
            }
        }
        Ok(LateEncoder {
            projection: rest.layers,
            queries,
            passages,
            skipped,
            model,
        })
    }

    /// Tokenizes the texts, runs the model, projects and normalizes.
    fn embed(
        &self,
        side: &Side,
        skipped: &[u32],
        texts: &[&str],
    ) -> Result<Vec<TokenEmbedding>, Error> {
        let model = &self.model;
        let sequences: Vec<Sequence> = texts
            .par_iter()
            .map(|text| side.sequence(model, text))
            .collect::<Result<_, _>>()
            .map_err(|source| model.tokenize_error(source))?;
        let rows = model.run_tokens(&sequences)?;
        rows.par_iter()
            .zip(&sequences)
            .map(|(rows, sequence)| self.embedding(side, skipped, rows, sequence))
            .collect()
    }

    /// Of the vectors of a text's tokens after the last layer, which are `rows`.
    fn embedding(
        &self,
        side: &Side,
        skipped: &[u32],
        rows: &[f32],
        sequence: &Sequence,
    ) -> Result<TokenEmbedding, Error> {
        let model = &self.model;
        let rows = (self.projection).apply_to_tokens(rows, model.config.hidden_size);
        let rows: Vec<&[f32]> = rows.chunks_exact(self.projection.dimension()).collect();
        let mut vectors = Vec::with_capacity(rows.len() * self.projection.dimension());
        for at in side.kept(&sequence.ids, skipped) {
            vectors.extend(unit(rows[at]).ok_or_else(|| model.not_finite())?);
        }
        Ok(TokenEmbedding {
            vectors,
            tokens_cut: sequence.tokens_cut,
        })
    }
}

/// Reads texts as the spec says.
fn follow(
    model: &Model,
    colbert: &Colbert,
    queries: &mut Side,
    passages: &mut Side,
    skipped: &mut Vec<u32>,
) -> Result<(), Error> {
    let Colbert {
        query_marker,
        passage_marker,
        query_length,
        expansion,
        skipped: words,
    } = colbert;
    let id_of = |key: &'static str, token: &String| {
        model.reader.id_of(token).ok_or_else(|| {
            let reason = format!(
                "is `{token}`, which is no token of its tokenizer.json; save the model again with \
                 the program that trained it, or take another"
            );
            model.config_error(key, reason)
        })
    };
    let marker = |key, token: &Option<String>| token.as_ref().map(|one| id_of(key, one));
    queries.marker = marker("query marker", query_marker).transpose()?;
    passages.marker = marker("passage marker", passage_marker).transpose()?;
    if *query_length > model.config.max_tokens() {
        let reason = format!(
            "is {query_length}, but the model has positions for only {} tokens",
            model.config.max_tokens()
        );
        return Err(model.config_error("query_length", reason));
    }
    queries.most = *query_length;
    if let Some(expansion) = expansion {
        queries.expansion = Some(Filler {
            id: id_of("mask token", &expansion.token)?,
            attended: expansion.attended,
        });
    }
    for word in words {
        skipped.push(match model.reader.id_of(word) {
            Some(id) => id,
            // What the vocabulary lacks is read as the unknown token, which is then left out.
            None => match model.reader.tokens(word) {
                Ok(ids) if ids.len() == 1 => ids[0],
                Ok(_) => {
                    let reason = format!("has `{word}`, which is not one token of the model");
                    return Err(model.config_error("skiplist_words", reason));
                }
                Err(source) => return Err(model.tokenize_error(source)),
            },
        });
    }
    Ok(())
}

impl Side {
    /// Refuses a prefix that leaves no room for a text.
    fn check(&self, model: &Model, key: &'static str, path: &Path) -> Result<(), Error> {
        let tokens = model.reader.tokens(&self.prefix);
        let tokens = tokens.map_err(|source| model.tokenize_error(source))?;
        if tokens.len() < self.room(model) {
            return Ok(());
        }
        let (key, what) = match self.marker {
            None => (key, "has so many tokens"),
            Some(_) if key == "query_prefix" => ("query_length", "is so small"),
            Some(_) => ("document_length", "is so small"),
        };
        Err(Error::Config {
            path: path.to_owned(),
            key,
            reason: format!(
                "{what} that of the {} of the model none is left for a text",
                self.most
            ),
        })
    }

    /// The places of the tokens whose vectors are kept: the first one if that is none.
    fn kept(&self, ids: &[u32], skipped: &[u32]) -> Vec<usize> {
        let (before, behind) = self.left_out;
        let is_kept = |at: &usize| !skipped.contains(&ids[*at]);
        let own = before..ids.len().saturating_sub(behind);
        let places: Vec<usize> = own.filter(is_kept).collect();
        if places.is_empty() { vec![0] } else { places }
    }

    /// Number of tokens that a text and its prefix may have.
    fn room(&self, model: &Model) -> usize {
        let others = model.reader.specials() + usize::from(self.marker.is_some());
        self.most.saturating_sub(others)
    }

    fn sequence(&self, model: &Model, text: &str) -> Result<Sequence, BoxError> {
        let prefixed: String;
        let text = match self.prefix.as_str() {
            "" => text,
            prefix => {
                prefixed = format!("{prefix}{text}");
                &prefixed
            }
        };
        let mut sequence = model.reader.marked(text, self.marker, self.most)?;
        if let Some(Filler { id, attended }) = self.expansion {
            let more = self.most.saturating_sub(sequence.ids.len());
            sequence.ids.resize(self.most, id);
            sequence.segments.resize(self.most, 0);
            if !attended {
                sequence.unattended = more;
            }
        }
        Ok(sequence)
    }
}

impl Side {
    /// What the vectors of a text stand for.
    fn tokens(
        &self,
        model: &Model,
        skipped: &[u32],
        text: &str,
    ) -> Result<Vec<TextToken>, BoxError> {
        let reader = &model.reader;
        let sequence = self.sequence(model, text)?;
        let prefixed = format!("{}{text}", self.prefix);
        let places = reader.token_places(&prefixed)?;
        let origins = reader.origins(places.len().min(self.room(model)), self.marker.is_some());
        let before = self.prefix.len();
        let token = |at: usize| {
            let origin = origins.get(at).copied().flatten();
            // Those of the prefix alone are not of the text.
            let place = origin.and_then(|origin| places.get(origin));
            let place = place.filter(|(_, end)| *end > before || before == 0);
            let place = place.map(|(start, end)| (start.saturating_sub(before), end - before));
            match place {
                None => TextToken {
                    text: reader.name_of(sequence.ids[at]),
                    place: None,
                },
                Some((start, end)) => TextToken {
                    text: text.get(start..end).unwrap_or_default().to_owned(),
                    place: Some((start as u32, end as u32)),
                },
            }
        };
        Ok(self
            .kept(&sequence.ids, skipped)
            .into_iter()
            .map(token)
            .collect())
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
        self.projection.dimension()
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError> {
        Ok(self.embed(&self.queries, &[], queries)?)
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<TokenEmbedding>, BoxError> {
        Ok(self.embed(&self.passages, &self.skipped, passages)?)
    }

    fn embed_passages_with(
        &self,
        embedder: &dyn Embedder,
        passages: &[&str],
    ) -> Result<Option<BothEmbeddings>, BoxError> {
        let bi_encoder = (embedder as &dyn Any).downcast_ref::<BiEncoder>();
        let (Some(bi_encoder), None) = (bi_encoder, self.passages.marker) else {
            return Ok(None);
        };
        let (model, side) = (&self.model, &self.passages);
        let Some(sequences) = bi_encoder.shared_passages(model, &side.prefix, passages)? else {
            return Ok(None);
        };
        let both = |(rows, sequence): (&Vec<f32>, &Sequence)| {
            let embedding = bi_encoder.pooled(rows, sequence)?;
            let tokens = self.embedding(side, &self.skipped, rows, sequence)?;
            Ok((embedding, tokens))
        };
        let rows = model.run_tokens(&sequences)?;
        let both = rows.par_iter().zip(&sequences).map(both);
        let both: Result<_, Error> = both.collect();
        Ok(Some(both?))
    }

    fn query_tokens(&self, query: &str) -> Result<Vec<TextToken>, BoxError> {
        self.queries.tokens(&self.model, &[], query)
    }

    fn passage_tokens(&self, passage: &str) -> Result<Vec<TextToken>, BoxError> {
        self.passages.tokens(&self.model, &self.skipped, passage)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        let ends = self.model.reader.token_ends(text);
        Ok(ends.map_err(|source| self.model.tokenize_error(source))?)
    }

    fn passage_room(&self) -> Result<usize, BoxError> {
        let prefix = self.model.reader.tokens(&self.passages.prefix)?.len();
        Ok(self.passages.room(&self.model).saturating_sub(prefix))
    }
}
