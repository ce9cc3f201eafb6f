//! The shape of a model, and where each of its tensors is among its parameters.

use std::ops::Range;

pub(crate) use treffer_encoder::parts::{Activation, Family, Shape};

/// What a model makes of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Logits, by a head over the first token: a cross-encoder.
    Logits,
    /// The mean of all tokens, scaled to length 1: a bi-encoder.
    MeanVector,
    /// The first token, scaled to length 1.
    FirstVector,
}

/// A tensor within the parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    /// Its name in a weights file.
    pub(crate) name: String,
    pub(crate) dims: Vec<usize>,
    /// Where its values are.
    pub(crate) at: Range<usize>,
    /// Whether weight decay applies: to matrices, not to biases and norms.
    pub(crate) decays: bool,
}

/// All tensors but the table of word embeddings, in the order in which a sequence meets
/// them, so that freezing the first layers freezes a prefix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) embeddings: EmbeddingsAt,
    pub(crate) layers: Vec<LayerAt>,
    /// Of a model with logits.
    pub(crate) head: Option<HeadAt>,
    /// Number of values of all tensors.
    pub(crate) len: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EmbeddingsAt {
    pub(crate) positions: Range<usize>,
    pub(crate) segments: Range<usize>,
    pub(crate) norm: NormAt,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LinearAt {
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NormAt {
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LayerAt {
    pub(crate) query: LinearAt,
    /// Key and value, which lie one after the other and are computed as one.
    pub(crate) key_value: LinearAt,
    pub(crate) attended: LinearAt,
    pub(crate) attended_norm: NormAt,
    pub(crate) widen: LinearAt,
    pub(crate) narrow: LinearAt,
    pub(crate) norm: NormAt,
    /// Where its first tensor begins.
    pub(crate) start: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeadAt {
    pub(crate) dense: LinearAt,
    pub(crate) classes: LinearAt,
    start: usize,
}

/// The prefix of an encoder's names in the files of a model with a head.
pub(crate) fn prefix(family: Family) -> &'static str {
    match family {
        Family::Bert => "bert.",
        Family::Roberta => "roberta.",
        Family::Electra => "electra.",
    }
}

/// The name of the table of word embeddings, without its prefix.
pub(crate) const WORDS: &str = "embeddings.word_embeddings.weight";

struct Builder {
    prefix: &'static str,
    tensors: Vec<Tensor>,
    len: usize,
}

impl Builder {
    fn add(&mut self, name: String, dims: &[usize]) -> Range<usize> {
        let at = self.len..self.len + dims.iter().product::<usize>();
        self.len = at.end;
        self.tensors.push(Tensor {
            name,
            dims: dims.to_vec(),
            at: at.clone(),
            decays: dims.len() > 1,
        });
        at
    }

    fn encoder(&mut self, name: &str, dims: &[usize]) -> Range<usize> {
        self.add(format!("{}{name}", self.prefix), dims)
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> LinearAt {
        LinearAt {
            weight: self.encoder(&format!("{name}.weight"), &[outputs, inputs]),
            bias: self.encoder(&format!("{name}.bias"), &[outputs]),
        }
    }

    fn norm(&mut self, name: &str, width: usize) -> NormAt {
        NormAt {
            weight: self.encoder(&format!("{name}.weight"), &[width]),
            bias: self.encoder(&format!("{name}.bias"), &[width]),
        }
    }

    fn head(&mut self, shape: &Shape) -> HeadAt {
        let (hidden, start) = (shape.hidden, self.len);
        let (dense, classes) = match shape.family {
            Family::Bert => ("bert.pooler.dense", "classifier"),
            Family::Roberta | Family::Electra => ("classifier.dense", "classifier.out_proj"),
        };
        self.prefix = "";
        HeadAt {
            dense: self.linear(dense, hidden, hidden),
            classes: self.linear(classes, shape.classes, hidden),
            start,
        }
    }
}

impl Layout {
    pub(crate) fn new(shape: &Shape, output: Output) -> Self {
        let mut builder = Builder {
            prefix: prefix(shape.family),
            tensors: Vec::new(),
            len: 0,
        };
        let (hidden, inner) = (shape.hidden, shape.inner);
        let embeddings = EmbeddingsAt {
            positions: builder.encoder(
                "embeddings.position_embeddings.weight",
                &[shape.positions, hidden],
            ),
            segments: builder.encoder(
                "embeddings.token_type_embeddings.weight",
                &[shape.segments, hidden],
            ),
            norm: builder.norm("embeddings.LayerNorm", hidden),
        };
        let layers = (0..shape.layers)
            .map(|layer| {
                let start = builder.len;
                let name = |part: &str| format!("encoder.layer.{layer}.{part}");
                let own = |part: &str| name(&format!("attention.self.{part}"));
                let query = builder.linear(&own("query"), hidden, hidden);
                let key = builder.encoder(&own("key.weight"), &[hidden, hidden]);
                let value = builder.encoder(&own("value.weight"), &[hidden, hidden]);
                let key_bias = builder.encoder(&own("key.bias"), &[hidden]);
                let value_bias = builder.encoder(&own("value.bias"), &[hidden]);
                LayerAt {
                    query,
                    key_value: LinearAt {
                        weight: key.start..value.end,
                        bias: key_bias.start..value_bias.end,
                    },
                    attended: builder.linear(&name("attention.output.dense"), hidden, hidden),
                    attended_norm: builder.norm(&name("attention.output.LayerNorm"), hidden),
                    widen: builder.linear(&name("intermediate.dense"), inner, hidden),
                    narrow: builder.linear(&name("output.dense"), hidden, inner),
                    norm: builder.norm(&name("output.LayerNorm"), hidden),
                    start,
                }
            })
            .collect();
        let head = (output == Output::Logits).then(|| builder.head(shape));
        Layout {
            tensors: builder.tensors,
            embeddings,
            layers,
            head,
            len: builder.len,
        }
    }

    /// Where the parameters of the encoder end, and those of a head begin.
    pub(crate) fn encoder_end(&self) -> usize {
        self.head.as_ref().map_or(self.len, |head| head.start)
    }
}
