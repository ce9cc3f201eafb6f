//! The model of `transformer` over packed sequences: the rows of all tokens one after the other,
//! without padding. What it computes with is up to the [`Operations`]: kernels in bf16 on a GPU,
//! or plain f32 in tests.

use treffer_kernels::packed::{FeedForward, Norm, Operations, Packing, Queries};
use treffer_types::{BoxError, Pooling};

use crate::batch::{positions_of, segments_of};
use crate::config::{Activation, Config};
use crate::error::Error;
use crate::pooling::pool;
use crate::tokenize::Sequence;
use crate::transformer::OutputTokens;
use crate::weights::Weights;

/// Embeddings and layers on the device of `O`.
pub(crate) struct Packed<O: Operations> {
    operations: O,
    config: Config,
    /// Tables of word pieces, segments and positions.
    tables: [O::Matrix; 3],
    norm: Norm<O::Vector>,
    layers: Vec<Layer<O>>,
}

struct Layer<O: Operations> {
    /// Queries, keys and values of all heads, in one product.
    heads: Linear<O>,
    attended: Linear<O>,
    attended_norm: Norm<O::Vector>,
    widen: Linear<O>,
    narrow: Linear<O>,
    norm: Norm<O::Vector>,
}

struct Linear<O: Operations> {
    weight: O::Matrix,
    bias: O::Vector,
}

impl<O: Operations> Packed<O> {
    /// Takes its tensors from `weights` and moves them to the device; `failed` makes an error of
    /// the device's.
    pub(crate) fn load(
        operations: O,
        config: &Config,
        weights: &mut Weights,
        name: &str,
        failed: impl Fn(BoxError) -> Error,
    ) -> Result<Self, Error> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        if config.embedding_size != hidden || !operations.supports(hidden, config.heads, inner) {
            return Err(Error::PackedShape {
                name: name.to_owned(),
            });
        }
        let mut source = Source {
            operations: &operations,
            weights,
            failed: &failed,
        };
        let mut table = |name: &str, rows| {
            source.matrix(
                &[format!("embeddings.{name}_embeddings.weight")],
                rows,
                hidden,
            )
        };
        let tables = [
            table("word", config.vocab_size)?,
            table("token_type", config.segments)?,
            table("position", config.positions)?,
        ];
        let norm = source.norm("embeddings.LayerNorm", config)?;
        let layers = (0..config.layers)
            .map(|layer| Layer::load(&mut source, config, layer))
            .collect::<Result<_, Error>>()?;
        operations
            .synchronize()
            .map_err(|error| failed(error.into()))?;
        Ok(Packed {
            operations,
            config: config.clone(),
            tables,
            norm,
            layers,
        })
    }

    /// The pooled vector of each sequence.
    pub(crate) fn forward(
        &self,
        sequences: &[&Sequence],
        pooling: Pooling,
    ) -> Result<Vec<Vec<f32>>, O::Error> {
        let width = self.config.hidden_size;
        let outputs = OutputTokens::of(pooling);
        let (values, packing) = self.run(sequences, outputs)?;
        Ok(match outputs {
            OutputTokens::First => values.chunks_exact(width).map(<[f32]>::to_vec).collect(),
            OutputTokens::All => packing
                .each()
                .zip(sequences)
                .map(|((start, end), sequence)| {
                    let rows = &values[start * width..end * width];
                    pool(pooling, rows, width, sequence.not_pooled)
                })
                .collect(),
        })
    }

    /// The vectors of all tokens of each sequence, one after the other.
    pub(crate) fn forward_tokens(
        &self,
        sequences: &[&Sequence],
    ) -> Result<Vec<Vec<f32>>, O::Error> {
        let width = self.config.hidden_size;
        let (values, packing) = self.run(sequences, OutputTokens::All)?;
        let rows = |(start, end): (usize, usize)| values[start * width..end * width].to_vec();
        Ok(packing.each().map(rows).collect())
    }

    /// The vectors of the output tokens.
    fn run(
        &self,
        sequences: &[&Sequence],
        outputs: OutputTokens,
    ) -> Result<(Vec<f32>, Packing), O::Error> {
        let (operations, config) = (&self.operations, &self.config);
        let packing = Packing::new(sequences.iter().map(|sequence| sequence.ids.len()));
        let packed = operations.pack(&packing)?;
        let rows = |of: &dyn Fn(&Sequence) -> Vec<u32>| -> Vec<u32> {
            sequences.iter().flat_map(|sequence| of(sequence)).collect()
        };
        let ids = rows(&|sequence| sequence.ids.clone());
        let segments = rows(&|sequence| segments_of(config, &sequence.segments).collect());
        let positions = rows(&|sequence| positions_of(config, &sequence.ids));
        let lists = [&ids[..], &segments, &positions];
        let mut hidden = operations.embed(self.tables.each_ref(), lists, &self.norm)?;
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let queries = if index == last && outputs == OutputTokens::First {
                Queries::First
            } else {
                Queries::All
            };
            hidden = layer.forward(operations, config, hidden, &packed, queries)?;
        }
        Ok((operations.values(&hidden)?, packing))
    }
}

impl<O: Operations> Layer<O> {
    fn load(source: &mut Source<'_, O>, config: &Config, layer: usize) -> Result<Self, Error> {
        let stem = format!("encoder.layer.{layer}");
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let own = |part: &str| vec![format!("{stem}.{part}")];
        let heads = ["query", "key", "value"];
        let heads = heads
            .map(|part| format!("{stem}.attention.self.{part}"))
            .to_vec();
        Ok(Layer {
            heads: source.linear(&heads, width, width)?,
            attended: source.linear(&own("attention.output.dense"), width, width)?,
            attended_norm: source.norm(&format!("{stem}.attention.output.LayerNorm"), config)?,
            widen: source.linear(&own("intermediate.dense"), inner, width)?,
            narrow: source.linear(&own("output.dense"), width, inner)?,
            norm: source.norm(&format!("{stem}.output.LayerNorm"), config)?,
        })
    }

    fn forward(
        &self,
        operations: &O,
        config: &Config,
        hidden: O::Matrix,
        packed: &O::Packed,
        queries: Queries,
    ) -> Result<O::Matrix, O::Error> {
        let product = operations.product(&hidden, &self.heads.weight)?;
        let bias = &self.heads.bias;
        let attended = operations.attend(&product, bias, config.heads, packed, queries)?;
        drop(product);
        let hidden = match queries {
            Queries::All => hidden,
            Queries::First => operations.first_rows(&hidden, packed)?,
        };
        let attended = operations.product(&attended, &self.attended.weight)?;
        let bias = &self.attended.bias;
        let attended = operations.add_norm(&attended, bias, &hidden, &self.attended_norm)?;
        let activation = match config.activation {
            Activation::Gelu => FeedForward::Gelu,
            Activation::GeluTanh => FeedForward::GeluTanh,
            Activation::Relu => FeedForward::Relu,
        };
        let inner = operations.product(&attended, &self.widen.weight)?;
        let inner = operations.activate(inner, &self.widen.bias, activation)?;
        let narrow = operations.product(&inner, &self.narrow.weight)?;
        operations.add_norm(&narrow, &self.narrow.bias, &attended, &self.norm)
    }
}

/// Where tensors come from, and where they go.
struct Source<'a, O: Operations> {
    operations: &'a O,
    weights: &'a mut Weights,
    failed: &'a dyn Fn(BoxError) -> Error,
}

impl<O: Operations> Source<'_, O> {
    /// Matrices of `rows` rows each, one below the other.
    fn matrix(&mut self, names: &[String], rows: usize, width: usize) -> Result<O::Matrix, Error> {
        let mut values = Vec::new();
        for name in names {
            values.extend(self.weights.encoder_values(name, &[rows, width])?);
        }
        let moved = self.operations.matrix(&values, width);
        moved.map_err(|error| (self.failed)(error.into()))
    }

    fn vector(&mut self, names: &[String], count: usize) -> Result<O::Vector, Error> {
        let mut values = Vec::new();
        for name in names {
            values.extend(self.weights.encoder_values(name, &[count])?);
        }
        let moved = self.operations.vector(&values);
        moved.map_err(|error| (self.failed)(error.into()))
    }

    /// Linear layers of the same inputs, with `outputs` outputs each, as one.
    fn linear(
        &mut self,
        names: &[String],
        outputs: usize,
        inputs: usize,
    ) -> Result<Linear<O>, Error> {
        let of = |part: &str| -> Vec<String> {
            names.iter().map(|name| format!("{name}.{part}")).collect()
        };
        Ok(Linear {
            weight: self.matrix(&of("weight"), outputs, inputs)?,
            bias: self.vector(&of("bias"), outputs)?,
        })
    }

    fn norm(&mut self, name: &str, config: &Config) -> Result<Norm<O::Vector>, Error> {
        let width = config.hidden_size;
        Ok(Norm {
            weight: self.vector(&[format!("{name}.weight")], width)?,
            bias: self.vector(&[format!("{name}.bias")], width)?,
            eps: config.layer_norm_eps as f32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::folder::Files;
    use crate::tiny;
    use crate::tokenize::{Limits, TextReader};
    use crate::transformer::Transformer;
    use candle_core::Device;
    use treffer_kernels::packed::Scalar;

    fn load(files: &Files) -> Result<Packed<Scalar>, Error> {
        let mut weights = Weights::decode(files, &Device::Cpu).unwrap();
        let failed = |_: BoxError| unreachable!("the scalar operations do not fail");
        Packed::load(Scalar, &files.config, &mut weights, "tiny", failed)
    }

    #[test]
    fn packed_sequences_have_the_vectors_of_the_reference() {
        for name in ["tiny-bert-cross", "tiny-xlmr-cross", "tiny-onnx-cross"] {
            let files = Files::read(&tiny::folder(name)).unwrap();
            let config = &files.config;
            let mut weights = Weights::decode(&files, &Device::Cpu).unwrap();
            let reference = Transformer::load(config, &mut weights).unwrap();
            let packed = load(&files).unwrap();
            let limits = Limits {
                vocab_size: config.vocab_size,
                max_length: 32,
                lower_case: false,
            };
            let reader = TextReader::parse("tokenizer.json".as_ref(), &files.tokenizer, limits);
            let reader = reader.unwrap();
            let query = reader.tokens("how cold").unwrap();
            let passages = ["the lab fridge is cold", "", "warm <pad> ice [PAD] door"];
            let mut sequences = passages.map(|passage| reader.pair(&query, passage).unwrap());
            sequences[2].not_pooled = 1;
            let close = |found: &[f32], expected: &[f32]| {
                assert_eq!(found.len(), expected.len());
                for (a, b) in found.iter().zip(expected) {
                    assert!((a - b).abs() < 1e-4, "{name}: {a} {b}");
                }
            };
            for pooling in Pooling::ALL {
                let found = packed.forward(&sequences.each_ref(), pooling).unwrap();
                for (sequence, found) in sequences.iter().zip(&found) {
                    let batch = Batch::new(config, &[sequence], pooling, &Device::Cpu).unwrap();
                    let tokens = reference
                        .forward(&batch, OutputTokens::of(pooling))
                        .unwrap();
                    let pooled = batch.pool(&tokens, pooling).unwrap();
                    close(found, &pooled.flatten_all().unwrap().to_vec1().unwrap());
                }
            }
            let found = packed.forward_tokens(&sequences.each_ref()).unwrap();
            for (sequence, found) in sequences.iter().zip(&found) {
                let batch = Batch::new(config, &[sequence], Pooling::Mean, &Device::Cpu).unwrap();
                let tokens = reference.forward(&batch, OutputTokens::All).unwrap();
                close(found, &tokens.flatten_all().unwrap().to_vec1().unwrap());
            }
        }
    }

    #[test]
    fn narrow_embeddings_are_refused() {
        let mut files = Files::read(&tiny::folder("tiny-electra-cross")).unwrap();
        files.config.embedding_size = files.config.hidden_size / 2;
        let message = load(&files).err().unwrap().to_string();
        assert!(message.contains("without :bf16"), "{message}");
    }
}
