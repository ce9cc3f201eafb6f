//! The reference model in f32 through candle: the encoder that BERT, RoBERTa and ELECTRA
//! share (Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>). Layers normalize after
//! each residual sum.

use candle_core::Tensor;
use treffer_types::Pooling;

use crate::batch::Batch;
use crate::config::{Activation, Config};
use crate::error::Error;
use crate::ops::{self, LayerNorm, Linear};
use crate::weights::Weights;

/// Embeddings and layers.
pub(crate) struct Transformer {
    embeddings: Embeddings,
    layers: Vec<Layer>,
}

/// The tokens whose vectors are computed in the last layer. If only the first is needed, the
/// layer skips most of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputTokens {
    /// All tokens.
    All,
    /// The first token, `[CLS]` or `<s>`.
    First,
}

impl OutputTokens {
    /// The tokens that a pooling needs.
    pub(crate) fn of(pooling: Pooling) -> Self {
        match pooling {
            Pooling::Cls => OutputTokens::First,
            Pooling::Mean
            | Pooling::Max
            | Pooling::LastToken
            | Pooling::WeightedMean
            | Pooling::MeanSqrtLen => OutputTokens::All,
        }
    }
}

impl Transformer {
    /// Takes its tensors from `weights`.
    pub(crate) fn load(config: &Config, weights: &mut Weights) -> Result<Self, Error> {
        Ok(Transformer {
            embeddings: Embeddings::load(config, weights)?,
            layers: (0..config.layers)
                .map(|layer| Layer::load(config, weights, layer))
                .collect::<Result<_, Error>>()?,
        })
    }

    /// Token vectors `[size, length, hidden]`, or `[size, 1, hidden]` for the first token.
    pub(crate) fn forward(
        &self,
        batch: &Batch,
        outputs: OutputTokens,
    ) -> candle_core::Result<Tensor> {
        let mut hidden = self.embeddings.forward(batch)?;
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let outputs = if index == last {
                outputs
            } else {
                OutputTokens::All
            };
            hidden = layer.forward(&hidden, batch.mask.as_ref(), outputs)?;
        }
        Ok(hidden)
    }
}

struct Embeddings {
    words: Tensor,
    positions: Tensor,
    segments: Tensor,
    norm: LayerNorm,
    /// ELECTRA's projection from narrow embeddings to wider layers.
    project: Option<Linear>,
}

impl Embeddings {
    fn load(config: &Config, weights: &mut Weights) -> Result<Self, Error> {
        let width = config.embedding_size;
        let mut table = |name: &str, rows| {
            weights.encoder(
                &format!("embeddings.{name}_embeddings.weight"),
                &[rows, width],
            )
        };
        Ok(Embeddings {
            words: table("word", config.vocab_size)?,
            positions: table("position", config.positions)?,
            segments: table("token_type", config.segments)?,
            norm: LayerNorm::load(
                weights,
                "embeddings.LayerNorm",
                width,
                config.layer_norm_eps,
            )?,
            project: if width == config.hidden_size {
                None
            } else {
                let shape = (config.hidden_size, width);
                Some(Linear::load(weights, "embeddings_project", shape)?)
            },
        })
    }

    fn forward(&self, batch: &Batch) -> candle_core::Result<Tensor> {
        let look_up = |table: &Tensor, rows: &Tensor| table.index_select(&rows.flatten_all()?, 0);
        let words = look_up(&self.words, &batch.ids)?;
        let segments = look_up(&self.segments, &batch.segments)?;
        let positions = look_up(&self.positions, &batch.positions)?;
        let sum = ((words + segments)? + positions)?;
        let mut hidden = self.norm.forward(&sum)?;
        if let Some(project) = &self.project {
            hidden = project.forward(&hidden)?;
        }
        let (size, length) = batch.ids.dims2()?;
        hidden.reshape((size, length, ()))
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: LayerNorm,
    widen: Linear,
    activation: Activation,
    narrow: Linear,
    norm: LayerNorm,
    heads: usize,
}

impl Layer {
    fn load(config: &Config, weights: &mut Weights, layer: usize) -> Result<Self, Error> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let mut linear = |part: &str, shape| Linear::load(weights, &name(part), shape);
        let square = (hidden, hidden);
        let query = linear("attention.self.query", square)?;
        let key = linear("attention.self.key", square)?;
        let value = linear("attention.self.value", square)?;
        let attended = linear("attention.output.dense", square)?;
        let widen = linear("intermediate.dense", (inner, hidden))?;
        let narrow = linear("output.dense", (hidden, inner))?;
        let eps = config.layer_norm_eps;
        let mut norm = |part: &str| LayerNorm::load(weights, &name(part), hidden, eps);
        Ok(Layer {
            query,
            key,
            value,
            attended,
            attended_norm: norm("attention.output.LayerNorm")?,
            widen,
            activation: config.activation,
            narrow,
            norm: norm("output.LayerNorm")?,
            heads: config.heads,
        })
    }

    fn forward(
        &self,
        hidden: &Tensor,
        mask: Option<&Tensor>,
        outputs: OutputTokens,
    ) -> candle_core::Result<Tensor> {
        let query_input = match outputs {
            OutputTokens::All => hidden.clone(),
            OutputTokens::First => hidden.narrow(1, 0, 1)?.contiguous()?,
        };
        let attended = self
            .attended
            .forward(&self.attend(&query_input, hidden, mask)?)?;
        let attended = self.attended_norm.forward_sum(&attended, &query_input)?;
        let inner = self.widen.forward_activated(&attended, self.activation)?;
        self.norm
            .forward_sum(&self.narrow.forward(&inner)?, &attended)
    }

    /// softmax(Q K^T / sqrt d) V in each head (Vaswani et al. 2017,
    /// <https://arxiv.org/abs/1706.03762>). Queries are computed for the tokens of
    /// `query_input` only.
    fn attend(
        &self,
        query_input: &Tensor,
        hidden: &Tensor,
        mask: Option<&Tensor>,
    ) -> candle_core::Result<Tensor> {
        let query = self.split(&self.query.forward(query_input)?)?;
        let key = self.split(&self.key.forward(hidden)?)?;
        let value = self.split(&self.value.forward(hidden)?)?;
        let (size, heads, length, width) = query.dims4()?;
        let scale = 1.0 / (width as f64).sqrt();
        let mut scores = (query.matmul(&key.t()?)? * scale)?;
        if let Some(mask) = mask {
            scores = scores.broadcast_add(mask)?;
        }
        let probabilities = ops::softmax(&scores)?;
        probabilities
            .matmul(&value)?
            .transpose(1, 2)?
            .reshape((size, length, heads * width))
    }

    /// `[size, length, hidden]` to `[size, heads, length, width]`.
    fn split(&self, tensor: &Tensor) -> candle_core::Result<Tensor> {
        let (size, length, hidden) = tensor.dims3()?;
        let split = tensor
            .reshape((size, length, self.heads, hidden / self.heads))?
            .transpose(1, 2)?;
        // On the CPU, the heads of a single sequence are multiplied without a copy.
        if size == 1 && tensor.device().is_cpu() {
            Ok(split)
        } else {
            split.contiguous()
        }
    }
}
