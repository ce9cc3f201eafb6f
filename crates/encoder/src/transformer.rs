//! The one model definition: the encoder that BERT, RoBERTa and ELECTRA share,
//! after Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>. Layers normalise
//! after each residual sum.

use candle_core::Tensor;

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

/// Which tokens' vectors are asked for. Whoever reads only the first need not
/// pay for the others in the last layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them.
    All,
    /// The first one's, `[CLS]` or `<s>`.
    First,
}

impl Transformer {
    /// Takes its tensors out of `weights`.
    pub(crate) fn load(config: &Config, weights: &mut Weights) -> Result<Self, Error> {
        Ok(Transformer {
            embeddings: Embeddings::load(config, weights)?,
            layers: (0..config.layers)
                .map(|layer| Layer::load(config, weights, layer))
                .collect::<Result<_, Error>>()?,
        })
    }

    /// Token vectors `[size, length, hidden]`, or `[size, 1, hidden]` for the first.
    pub(crate) fn forward(&self, batch: &Batch, wanted: Wanted) -> candle_core::Result<Tensor> {
        let mut hidden = self.embeddings.forward(batch)?;
        let last = self.layers.len() - 1;
        for (place, layer) in self.layers.iter().enumerate() {
            let wanted = if place == last { wanted } else { Wanted::All };
            hidden = layer.forward(&hidden, batch.mask.as_ref(), wanted)?;
        }
        Ok(hidden)
    }
}

struct Embeddings {
    words: Tensor,
    positions: Tensor,
    segments: Tensor,
    norm: LayerNorm,
    /// ELECTRA's step from narrow embeddings to wide layers.
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
        wanted: Wanted,
    ) -> candle_core::Result<Tensor> {
        let asking = match wanted {
            Wanted::All => hidden.clone(),
            Wanted::First => hidden.narrow(1, 0, 1)?.contiguous()?,
        };
        let attended = self
            .attended
            .forward(&self.attend(&asking, hidden, mask)?)?;
        let attended = self.attended_norm.forward_sum(&attended, &asking)?;
        let inner = self.widen.forward_activated(&attended, self.activation)?;
        self.norm
            .forward_sum(&self.narrow.forward(&inner)?, &attended)
    }

    /// softmax(Q K^T / sqrt d) V in each head, Vaswani et al. 2017,
    /// <https://arxiv.org/abs/1706.03762>.
    fn attend(
        &self,
        asking: &Tensor,
        hidden: &Tensor,
        mask: Option<&Tensor>,
    ) -> candle_core::Result<Tensor> {
        let query = self.split(&self.query.forward(asking)?)?;
        let key = self.split(&self.key.forward(hidden)?)?;
        let value = self.split(&self.value.forward(hidden)?)?;
        let (size, heads, length, width) = query.dims4()?;
        let scale = 1.0 / (width as f64).sqrt();
        let mut scores = (query.matmul(&key.t()?)? * scale)?;
        if let Some(mask) = mask {
            scores = scores.broadcast_add(mask)?;
        }
        let shares = ops::softmax(&scores)?;
        shares
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
        // The CPU multiplies the heads of one sequence where they lie.
        if size == 1 && tensor.device().is_cpu() {
            Ok(split)
        } else {
            split.contiguous()
        }
    }
}
