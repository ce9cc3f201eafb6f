//! The part that bi-encoders and cross-encoders share: a loaded transformer, its tokenizer,
//! and running sequences through it.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::Tensor;
#[cfg(feature = "cuda")]
use treffer_kernels::packed::Gpu;
#[cfg(feature = "cuda")]
use treffer_types::CudaBackend;
use treffer_types::{BoxError, Device, Fingerprint, ModelFolder, ModelRole, ModelSpec, Pooling};

use crate::batch::Batch;
use crate::config::Config;
use crate::device::{isa, open};
use crate::error::Error;
use crate::folder::{Files, TOKENIZER};
use crate::labels::Labels;
use crate::layers::Layers;
#[cfg(feature = "cuda")]
use crate::packed::Packed;
use crate::quantized::Quantized;
use crate::schedule::{self, Plan};
use crate::tokenize::{Limits, Sequence, TextReader};
use crate::transformer::{OutputTokens, Transformer};
use crate::weights::Weights;

/// A loaded model without pooling or head.
pub(crate) struct Model {
    pub(crate) spec: ModelSpec,
    pub(crate) fingerprint: Fingerprint,
    /// Fingerprint of the network alone.
    network: Fingerprint,
    pub(crate) config: Config,
    pub(crate) reader: TextReader,
    pub(crate) encoder: Encoder,
    pub(crate) device: candle_core::Device,
    /// Held while candle runs on a GPU: it has a stream for each thread, but all share one
    /// handle of cuBLAS, whose workspace is for one product at a time.
    turn: Mutex<()>,
    /// Its folder, for messages.
    path: PathBuf,
}

/// What a model folder holds besides.
pub(crate) struct Rest {
    /// The weights that are not the transformer's.
    pub(crate) weights: Weights,
    /// The layers after the pooling, or on tokens.
    pub(crate) layers: Layers,
    /// The labels of the classes.
    pub(crate) labels: Labels,
}

/// The implementations of the architecture.
pub(crate) enum Encoder {
    Reference(Transformer),
    Quantized(Box<Quantized>),
    #[cfg(feature = "cuda")]
    Packed(Box<Packed<Gpu>>),
}

impl Encoder {
    fn load(
        device: Device,
        opened: &candle_core::Device,
        config: &Config,
        weights: &mut Weights,
        name: &str,
    ) -> Result<Self, Error> {
        #[cfg(feature = "cuda")]
        if let (Device::Cuda(_, CudaBackend::Bf16), candle_core::Device::Cuda(cuda)) =
            (device, opened)
        {
            let failed = |source: BoxError| Error::LoadKernels {
                name: name.to_owned(),
                device,
                source,
            };
            let gpu =
                Gpu::new(cuda.cuda_stream().context()).map_err(|error| failed(error.into()))?;
            let packed = Packed::load(gpu, config, weights, name, failed)?;
            return Ok(Encoder::Packed(Box::new(packed)));
        }
        #[cfg(not(feature = "cuda"))]
        let _ = opened;
        match isa(device)? {
            Some(isa) if Quantized::supports(config) => {
                let quantized = Quantized::load(isa, config, weights)?;
                Ok(Encoder::Quantized(Box::new(quantized)))
            }
            Some(_) if device != Device::CPU => Err(Error::Shape {
                name: name.to_owned(),
            }),
            _ => Transformer::load(config, weights).map(Encoder::Reference),
        }
    }
}

impl Model {
    /// Loads a model, and returns what its head needs.
    pub(crate) fn load(
        folder: &ModelFolder,
        device: Device,
        role: ModelRole,
    ) -> Result<(Self, Rest), Error> {
        if folder.spec.role != role {
            return Err(Error::Role {
                name: folder.spec.name.clone(),
                found: folder.spec.role,
                wanted: role,
            });
        }
        let opened = open(device)?;
        let files = Files::read(folder)?;
        let (spec, config) = (files.spec.clone(), files.config.clone());
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
        let read = || {
            let limits = Limits {
                vocab_size: config.vocab_size,
                max_length: spec.max_length,
                lower_case: spec.details.lower_case,
            };
            TextReader::parse(&folder.path.join(TOKENIZER), &files.tokenizer, limits)
        };
        let decode = || {
            let mut weights = Weights::decode(&files, &opened)?;
            let encoder = Encoder::load(device, &opened, &config, &mut weights, &spec.name)?;
            // candle has a stream for each thread, and others read what this one writes.
            opened.synchronize().map_err(|source| Error::Run {
                name: spec.name.clone(),
                source: source.into(),
            })?;
            Ok((encoder, weights))
        };
        // In parallel, since each takes about half of the loading time.
        let (reader, decoded) = rayon::join(read, decode);
        let (reader, (encoder, mut weights)) = (reader?, decoded?);
        let width = config.hidden_size;
        let rest = Rest {
            layers: Layers::load(&files.layers, width, role, &mut weights)?,
            weights,
            labels: files.labels,
        };
        let model = Model {
            encoder,
            spec,
            fingerprint: files.fingerprint,
            network: files.network,
            config,
            reader,
            device: opened,
            turn: Mutex::new(()),
            path: folder.path.clone(),
        };
        Ok((model, rest))
    }

    /// Whether the other gives the same for the same sequence.
    pub(crate) fn is_same_network(&self, other: &Self) -> bool {
        self.network == other.network
            && std::mem::discriminant(&self.encoder) == std::mem::discriminant(&other.encoder)
            // Of a GPU, candle counts each opening as another device.
            && self.device.location() == other.device.location()
    }

    /// Runs `sequences` and returns one row for each, in order. `after` computes the rows from
    /// the pooled vectors, `[size, 1, hidden]`.
    pub(crate) fn run<F>(
        &self,
        sequences: &[Sequence],
        pooling: Pooling,
        after: F,
    ) -> Result<Vec<Vec<f32>>, Error>
    where
        F: Fn(&Tensor) -> candle_core::Result<Tensor> + Sync,
    {
        let rows = match &self.encoder {
            Encoder::Reference(transformer) => {
                let _turn = self.turn();
                schedule::run(Plan::of(&self.device), sequences, |members| {
                    let batch = Batch::new(&self.config, members, pooling, &self.device)?;
                    let tokens = transformer.forward(&batch, OutputTokens::of(pooling))?;
                    after(&batch.pool(&tokens, pooling)?)?.to_vec2()
                })
            }
            Encoder::Quantized(quantized) => schedule::run(Plan::Groups, sequences, |members| {
                let alone = sequences.len() == 1;
                let pooled = quantized.forward(members, pooling, alone);
                let row = |row: Vec<f32>| {
                    let shape = (1, 1, row.len());
                    after(&Tensor::from_vec(row, shape, &self.device)?)?
                        .squeeze(0)?
                        .to_vec1()
                };
                pooled.into_iter().map(row).collect()
            }),
            #[cfg(feature = "cuda")]
            Encoder::Packed(packed) => schedule::run(Plan::Packs, sequences, |members| {
                let pooled = packed.forward(members, pooling);
                let pooled = pooled.map_err(candle_core::Error::wrap)?;
                let shape = (pooled.len(), 1, self.config.hidden_size);
                let _turn = self.turn();
                after(&Tensor::from_vec(pooled.concat(), shape, &self.device)?)?.to_vec2()
            }),
        };
        rows.map_err(|source| Error::Run {
            name: self.spec.name.clone(),
            source: source.into(),
        })
    }

    /// Runs `sequences` and returns the vectors of all tokens of each, one after the other, in
    /// order.
    pub(crate) fn run_tokens(&self, sequences: &[Sequence]) -> Result<Vec<Vec<f32>>, Error> {
        let rows = match &self.encoder {
            Encoder::Reference(transformer) => {
                let _turn = self.turn();
                schedule::run(Plan::of(&self.device), sequences, |members| {
                    // No pooling is run, so any will do.
                    let batch = Batch::new(&self.config, members, Pooling::Mean, &self.device)?;
                    let tokens = transformer.forward(&batch, OutputTokens::All)?;
                    let of_member = |(row, member): (usize, &&Sequence)| {
                        let tokens = tokens.get(row)?.narrow(0, 0, member.ids.len())?;
                        tokens.flatten_all()?.to_vec1()
                    };
                    members.iter().enumerate().map(of_member).collect()
                })
            }
            Encoder::Quantized(quantized) => schedule::run(Plan::Groups, sequences, |members| {
                Ok(quantized.forward_tokens(members, sequences.len() == 1))
            }),
            #[cfg(feature = "cuda")]
            Encoder::Packed(packed) => schedule::run(Plan::Packs, sequences, |members| {
                if members.iter().any(|member| member.unattended > 0) {
                    let reason = "its queries are filled up with tokens that none attends to, \
                                  which this pass does not know; run it on cpu";
                    return Err(candle_core::Error::Msg(reason.to_owned()));
                }
                let tokens = packed.forward_tokens(members);
                tokens.map_err(candle_core::Error::wrap)
            }),
        };
        rows.map_err(|source| Error::Run {
            name: self.spec.name.clone(),
            source: source.into(),
        })
    }

    /// Waits until no other thread runs this model on a GPU through candle.
    fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        let wait = || self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.device.is_cpu()).then(wait)
    }

    pub(crate) fn tokenize_error(&self, source: BoxError) -> Error {
        Error::Tokenize {
            name: self.spec.name.clone(),
            source,
        }
    }

    /// A value of the spec that the model's files do not allow.
    pub(crate) fn config_error(&self, key: &'static str, reason: String) -> Error {
        Error::Config {
            path: self.path.clone(),
            key,
            reason,
        }
    }

    pub(crate) fn not_finite(&self) -> Error {
        Error::NotFinite {
            name: self.spec.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny;
    use treffer_types::CpuBackend;

    impl Model {
        fn reference(&self) -> &Transformer {
            match &self.encoder {
                Encoder::Reference(transformer) => transformer,
                Encoder::Quantized(_) => panic!("loaded with the device cpu:candle"),
                #[cfg(feature = "cuda")]
                Encoder::Packed(_) => panic!("loaded with the device cpu:candle"),
            }
        }
    }

    fn load(name: &str) -> Model {
        let folder = tiny::folder(name);
        Model::load(&folder, Device::Cpu(CpuBackend::Candle), folder.spec.role)
            .unwrap()
            .0
    }

    /// Runs padded batches, which only GPUs use, on the CPU.
    #[test]
    fn padding_changes_results_by_rounding_only() {
        for name in ["tiny-bert-cross", "tiny-electra-cross", "tiny-xlmr-cross"] {
            let model = load(name);
            let query = model.reader.tokens("how cold").unwrap();
            let passages = ["the lab fridge is cold", "", "warm <pad> ice [PAD] door"];
            let sequences = passages.map(|passage| model.reader.pair(&query, passage).unwrap());
            let rows = |members: &[&Sequence], pooling| -> Vec<Vec<f32>> {
                let batch = Batch::new(&model.config, members, pooling, &model.device).unwrap();
                let outputs = OutputTokens::of(pooling);
                let tokens = model.reference().forward(&batch, outputs).unwrap();
                let pooled = batch.pool(&tokens, pooling).unwrap();
                pooled.squeeze(1).unwrap().to_vec2().unwrap()
            };
            for pooling in Pooling::ALL {
                let together = rows(&sequences.each_ref(), pooling);
                for (sequence, together) in sequences.iter().zip(together) {
                    for (alone, padded) in rows(&[sequence], pooling)[0].iter().zip(together) {
                        assert!(
                            (alone - padded).abs() < 1e-5,
                            "{name} {pooling}: {alone} {padded}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_token_alone_equals_the_first_of_all() {
        let model = load("tiny-bert-cross");
        let sequence = model.reader.single("the lab fridge is cold").unwrap();
        let batch = Batch::new(&model.config, &[&sequence], Pooling::Mean, &model.device).unwrap();
        let first = |outputs| -> Vec<f32> {
            let tokens = model.reference().forward(&batch, outputs).unwrap();
            tokens
                .narrow(1, 0, 1)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap()
        };
        for (all, alone) in first(OutputTokens::All)
            .iter()
            .zip(first(OutputTokens::First))
        {
            assert!((all - alone).abs() < 1e-5, "{all} {alone}");
        }
    }
}
