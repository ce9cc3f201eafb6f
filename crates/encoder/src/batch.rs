//! Sequences as the tensors a transformer reads.

use candle_core::{Device, Result, Tensor};

use crate::config::{Config, Family};
use crate::tokenize::Sequence;

/// Sequences side by side, padded to the longest.
pub(crate) struct Batch {
    /// Token ids, `[size, length]`.
    pub(crate) ids: Tensor,
    /// Segments, `[size, length]`.
    pub(crate) segments: Tensor,
    /// Rows of the position table, `[size, length]`.
    pub(crate) positions: Tensor,
    /// 0 where a token stands and minus infinity at padding, `[size, 1, 1, length]`;
    /// none if nothing is padded.
    pub(crate) mask: Option<Tensor>,
    /// 1 / tokens where a token stands and 0 at padding, `[size, 1, length]`: times the
    /// token vectors it gives their mean.
    pub(crate) shares: Tensor,
}

impl Batch {
    /// Lays `sequences` side by side on `device`.
    pub(crate) fn new(config: &Config, sequences: &[&Sequence], device: &Device) -> Result<Self> {
        let size = sequences.len();
        let length = sequences.iter().map(|s| s.ids.len()).max().unwrap_or(0);
        let pad = config.pad_token_id;
        let mut ids = Vec::with_capacity(size * length);
        let mut segments = Vec::with_capacity(size * length);
        let mut positions = Vec::with_capacity(size * length);
        let mut mask = Vec::with_capacity(size * length);
        let mut shares = Vec::with_capacity(size * length);
        let mut padded = false;
        for (row, sequence) in sequences.iter().enumerate() {
            let tokens = sequence.ids.len();
            let end = (row + 1) * length;
            ids.extend_from_slice(&sequence.ids);
            segments.extend(segments_of(config, &sequence.segments));
            positions.extend(positions_of(config, &sequence.ids));
            mask.resize(row * length + tokens, 0f32);
            shares.resize(row * length + tokens, 1.0 / tokens as f32);
            padded |= tokens < length;
            ids.resize(end, pad);
            segments.resize(end, 0);
            positions.resize(end, 0);
            mask.resize(end, f32::NEG_INFINITY);
            shares.resize(end, 0.0);
        }
        let table = |values| Tensor::from_vec(values, (size, length), device);
        let mask = Tensor::from_vec(mask, (size, 1, 1, length), device);
        Ok(Batch {
            ids: table(ids)?,
            segments: table(segments)?,
            positions: table(positions)?,
            mask: padded.then_some(mask).transpose()?,
            shares: Tensor::from_vec(shares, (size, 1, length), device)?,
        })
    }
}

/// Rows of the segment table. A model with one segment has no second one to put the
/// passage in.
pub(crate) fn segments_of(config: &Config, segments: &[u32]) -> impl Iterator<Item = u32> {
    let last = config.segments as u32 - 1;
    segments.iter().map(move |&segment| segment.min(last))
}

/// RoBERTa counts from the padding token's id on and gives a padding token that
/// stands in the text that id itself; the others count from 0.
pub(crate) fn positions_of(config: &Config, ids: &[u32]) -> Vec<u32> {
    match config.family {
        Family::Bert | Family::Electra => (0..ids.len() as u32).collect(),
        Family::Roberta => {
            let pad = config.pad_token_id;
            let mut position = pad;
            let mut next = |&id: &u32| {
                if id == pad {
                    return pad;
                }
                position += 1;
                position
            };
            ids.iter().map(&mut next).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roberta_skips_the_padding_token_when_it_counts_positions() {
        let config = json!({
            "model_type": "roberta", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 20,
        });
        let config = Config::parse("config.json".as_ref(), config.to_string().as_bytes()).unwrap();
        assert_eq!(positions_of(&config, &[0, 7, 1, 8, 2]), [2, 3, 1, 4, 5]);
    }
}
