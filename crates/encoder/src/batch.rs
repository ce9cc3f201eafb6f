//! Batches of sequences as the input tensors of a transformer.

use candle_core::{Device, Result, Tensor};
use treffer_types::Pooling;

use crate::config::{Config, Family};
use crate::pooling;
use crate::tokenize::Sequence;

/// Sequences padded to the longest of them.
pub(crate) struct Batch {
    /// Token ids, `[size, length]`.
    pub(crate) ids: Tensor,
    /// Segments, `[size, length]`.
    pub(crate) segments: Tensor,
    /// Rows of the position table, `[size, length]`.
    pub(crate) positions: Tensor,
    /// 0 for tokens, and minus infinity for padding and for tokens that none attends to,
    /// `[size, 1, 1, length]`; `None` if there are none of these.
    pub(crate) mask: Option<Tensor>,
    /// The weight of each token in the pooling, 0 for padding, `[size, 1, length]`.
    pub(crate) pool_weights: Tensor,
}

impl Batch {
    /// Makes tensors of `sequences` on `device`.
    pub(crate) fn new(
        config: &Config,
        sequences: &[&Sequence],
        pooling: Pooling,
        device: &Device,
    ) -> Result<Self> {
        let size = sequences.len();
        let length = sequences.iter().map(|s| s.ids.len()).max().unwrap_or(0);
        let pad = config.pad_token_id;
        let mut ids = Vec::with_capacity(size * length);
        let mut segments = Vec::with_capacity(size * length);
        let mut positions = Vec::with_capacity(size * length);
        let mut mask = Vec::with_capacity(size * length);
        let mut pool_weights = Vec::with_capacity(size * length);
        let mut padded = false;
        for (row, sequence) in sequences.iter().enumerate() {
            let tokens = sequence.ids.len();
            let end = (row + 1) * length;
            ids.extend_from_slice(&sequence.ids);
            segments.extend(segments_of(config, &sequence.segments));
            positions.extend(positions_of(config, &sequence.ids));
            mask.resize(row * length + sequence.attended(), 0f32);
            pool_weights.extend(pooling::weights(pooling, tokens, sequence.not_pooled));
            padded |= sequence.attended() < length;
            ids.resize(end, pad);
            segments.resize(end, 0);
            positions.resize(end, 0);
            mask.resize(end, f32::NEG_INFINITY);
            pool_weights.resize(end, 0.0);
        }
        let table = |values| Tensor::from_vec(values, (size, length), device);
        let mask = Tensor::from_vec(mask, (size, 1, 1, length), device);
        Ok(Batch {
            ids: table(ids)?,
            segments: table(segments)?,
            positions: table(positions)?,
            mask: padded.then_some(mask).transpose()?,
            pool_weights: Tensor::from_vec(pool_weights, (size, 1, length), device)?,
        })
    }

    /// One vector per sequence, `[size, 1, hidden]`, from those of the tokens.
    pub(crate) fn pool(&self, tokens: &Tensor, pooling: Pooling) -> Result<Tensor> {
        match pooling {
            // The transformer has computed no other token.
            Pooling::Cls => Ok(tokens.clone()),
            Pooling::Mean | Pooling::LastToken | Pooling::WeightedMean | Pooling::MeanSqrtLen => {
                self.pool_weights.matmul(tokens)
            }
            Pooling::Max => {
                let weights = self.pool_weights.transpose(1, 2)?.contiguous()?;
                let (weights, tokens) = (weights.broadcast_as(tokens.shape())?, tokens);
                let lowest = Tensor::full(f32::NEG_INFINITY, tokens.shape(), tokens.device())?;
                weights.gt(0.0)?.where_cond(tokens, &lowest)?.max_keepdim(1)
            }
        }
    }
}

/// Rows of the segment table. A model with only one segment uses it for the passage too.
pub(crate) fn segments_of(config: &Config, segments: &[u32]) -> impl Iterator<Item = u32> {
    let last = config.segments as u32 - 1;
    segments.iter().map(move |&segment| segment.min(last))
}

/// Rows of the position table. RoBERTa's positions start after the padding token's id, which
/// is also the position of padding tokens within the text; the others start at 0.
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
    fn roberta_does_not_count_padding_tokens_as_positions() {
        let config = json!({
            "model_type": "roberta", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 20,
        });
        let config = Config::parse("config.json".as_ref(), config.to_string().as_bytes()).unwrap();
        assert_eq!(positions_of(&config, &[0, 7, 1, 8, 2]), [2, 3, 1, 4, 5]);
    }
}
