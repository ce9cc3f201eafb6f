//! What both kinds of encoder share: a loaded transformer, its tokenizer, and how
//! sequences are run through it.

use candle_core::Tensor;
use treffer_types::{BoxError, Device, Fingerprint, ModelFolder, ModelRole, ModelSpec};

use crate::batch::Batch;
use crate::config::Config;
use crate::device::{isa, open};
use crate::error::Error;
use crate::folder::{CONFIG, Files, TOKENIZER};
use crate::quantized::Quantized;
use crate::schedule::{self, Plan};
use crate::tokenize::{Sequence, TextReader};
use crate::transformer::{Transformer, Wanted};
use crate::weights::Weights;

/// A model without its last step.
pub(crate) struct Model {
    pub(crate) spec: ModelSpec,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) config: Config,
    pub(crate) reader: TextReader,
    encoder: Encoder,
    device: candle_core::Device,
}

/// The two ways to run the one architecture.
enum Encoder {
    Reference(Transformer),
    Quantized(Box<Quantized>),
}

impl Encoder {
    fn load(
        device: Device,
        config: &Config,
        weights: &mut Weights,
        name: &str,
    ) -> Result<Self, Error> {
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
    /// Also gives the weights that the transformer left, for a head.
    pub(crate) fn load(
        folder: &ModelFolder,
        device: Device,
        wanted: ModelRole,
    ) -> Result<(Self, Weights), Error> {
        let spec = folder.spec.clone();
        if spec.role != wanted {
            return Err(Error::Role {
                name: spec.name,
                found: spec.role,
                wanted,
            });
        }
        let opened = open(device)?;
        let files = Files::read(folder)?;
        let config = Config::parse(&folder.path.join(CONFIG), &files.config)?;
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
            TextReader::parse(
                &folder.path.join(TOKENIZER),
                &files.tokenizer,
                config.vocab_size,
                spec.max_length,
            )
        };
        let decode = || {
            let mut weights = Weights::decode(&files, &opened)?;
            let encoder = Encoder::load(device, &config, &mut weights, &spec.name)?;
            Ok((encoder, weights))
        };
        // Each takes about half of the time that a search waits for its first model.
        let (reader, decoded) = rayon::join(read, decode);
        let (reader, (encoder, weights)) = (reader?, decoded?);
        let model = Model {
            encoder,
            spec,
            fingerprint: files.fingerprint,
            config,
            reader,
            device: opened,
        };
        Ok((model, weights))
    }

    /// One row per sequence, in order: `after` makes it of the vectors of first tokens
    /// or means, `[size, 1, hidden]`.
    pub(crate) fn run<F>(
        &self,
        sequences: &[Sequence],
        wanted: Wanted,
        after: F,
    ) -> Result<Vec<Vec<f32>>, Error>
    where
        F: Fn(&Tensor) -> candle_core::Result<Tensor> + Sync,
    {
        let rows = match &self.encoder {
            Encoder::Reference(transformer) => {
                schedule::run(Plan::of(&self.device), sequences, |members| {
                    let batch = Batch::new(&self.config, members, &self.device)?;
                    let tokens = transformer.forward(&batch, wanted)?;
                    let pooled = match wanted {
                        Wanted::First => tokens,
                        Wanted::All => batch.shares.matmul(&tokens)?,
                    };
                    after(&pooled)?.to_vec2()
                })
            }
            Encoder::Quantized(quantized) => schedule::run(Plan::Groups, sequences, |members| {
                let alone = sequences.len() == 1;
                let pooled = quantized.forward(members, wanted, alone);
                let row = |row: Vec<f32>| {
                    let shape = (1, 1, row.len());
                    after(&Tensor::from_vec(row, shape, &self.device)?)?
                        .squeeze(0)?
                        .to_vec1()
                };
                pooled.into_iter().map(row).collect()
            }),
        };
        rows.map_err(|source| Error::Run {
            name: self.spec.name.clone(),
            source: source.into(),
        })
    }

    pub(crate) fn tokenize_error(&self, source: BoxError) -> Error {
        Error::Tokenize {
            name: self.spec.name.clone(),
            source,
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
    use std::path::Path;
    use treffer_types::CpuBackend;
    use treffer_types::Pooling;

    impl Model {
        fn reference(&self) -> &Transformer {
            match &self.encoder {
                Encoder::Reference(transformer) => transformer,
                Encoder::Quantized(_) => panic!("loaded for candle"),
            }
        }
    }

    fn load(name: &str) -> Model {
        let role = ModelRole::CrossEncoder;
        let folder = ModelFolder {
            path: Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../data/golden")
                .join(name),
            spec: ModelSpec {
                name: name.to_owned(),
                role,
                pooling: Pooling::Cls,
                query_prefix: String::new(),
                passage_prefix: String::new(),
                max_length: 32,
                license: "CC0-1.0".to_owned(),
            },
            sha256: Default::default(),
        };
        Model::load(&folder, Device::Cpu(CpuBackend::Candle), role)
            .unwrap()
            .0
    }

    /// The way of a GPU, taken on the CPU.
    #[test]
    fn padding_changes_a_result_by_no_more_than_rounding() {
        for name in ["tiny-bert-cross", "tiny-electra-cross", "tiny-xlmr-cross"] {
            let model = load(name);
            let query = model.reader.tokens("how cold").unwrap();
            let passages = ["the lab fridge is cold", "", "warm <pad> ice [PAD] door"];
            let sequences = passages.map(|passage| model.reader.pair(&query, passage).unwrap());
            let rows = |members: &[&Sequence], wanted| -> Vec<Vec<f32>> {
                let batch = Batch::new(&model.config, members, &model.device).unwrap();
                let tokens = model.reference().forward(&batch, wanted).unwrap();
                let pooled = match wanted {
                    Wanted::First => tokens,
                    Wanted::All => batch.shares.matmul(&tokens).unwrap(),
                };
                pooled.squeeze(1).unwrap().to_vec2().unwrap()
            };
            for wanted in [Wanted::All, Wanted::First] {
                let together = rows(&sequences.each_ref(), wanted);
                for (sequence, together) in sequences.iter().zip(together) {
                    for (alone, padded) in rows(&[sequence], wanted)[0].iter().zip(together) {
                        assert!((alone - padded).abs() < 1e-5, "{name}: {alone} {padded}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_token_alone_is_what_it_is_among_all() {
        let model = load("tiny-bert-cross");
        let sequence = model.reader.single("the lab fridge is cold").unwrap();
        let batch = Batch::new(&model.config, &[&sequence], &model.device).unwrap();
        let first = |wanted| -> Vec<f32> {
            let tokens = model.reference().forward(&batch, wanted).unwrap();
            tokens
                .narrow(1, 0, 1)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap()
        };
        for (all, alone) in first(Wanted::All).iter().zip(first(Wanted::First)) {
            assert!((all - alone).abs() < 1e-5, "{all} {alone}");
        }
    }
}
