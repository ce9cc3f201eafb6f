//! Everything that can go wrong between a model folder and a score.

use std::path::PathBuf;

use treffer_types::{BoxError, Device, InstructionSet, ModelRole};

use crate::device::level;

/// Why a model could not be described, loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// CUDA was asked for in a build without it.
    #[error(
        "cannot use device {device}: this build lacks the `cuda` feature; \
         build with `--features cuda`, or choose device cpu"
    )]
    NoCuda {
        /// The device asked for.
        device: Device,
    },
    /// The device is known but does not answer.
    #[error("cannot open device {device}; check the driver, or choose device cpu")]
    OpenDevice {
        /// The device asked for.
        device: Device,
        /// The driver's words.
        #[source]
        source: BoxError,
    },
    /// A file of the model could not be read.
    #[error("cannot read model file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// No weights in a format that can be read.
    #[error(
        "no weights in model folder {}: expected one of model.safetensors, model.onnx, \
         model.e5s1{hint}",
        path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// What was found instead and what to do with it; may be empty.
        hint: &'static str,
    },
    /// More than one weights file, so that it is not known which one is meant.
    #[error("several weights in model folder {}: {found}; keep one of them", path.display())]
    SeveralWeights {
        /// The folder.
        path: PathBuf,
        /// Their names.
        found: String,
    },
    /// A file differs from its pin.
    #[error(
        "model file {} is not the pinned one: expected sha256 {expected}, found {found}; \
         fetch it again with `treffer model pull {name} --force`",
        path.display()
    )]
    Sha256 {
        /// The file.
        path: PathBuf,
        /// The model's name in the registry.
        name: String,
        /// The pin.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A JSON file that does not parse or misses a key.
    #[error("cannot read {} as the JSON expected of it", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        #[source]
        source: serde_json::Error,
    },
    /// A setting that no model built here can have.
    #[error("cannot build the model of {}: `{key}` {reason}", path.display())]
    Config {
        /// The file that says so, or the folder for what was given beside it.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The CPU lacks the instructions that were asked for.
    #[error(
        "device cpu:{set} needs a processor with {}, which this one is not; \
         `cpu` takes the best there is",
        level(*set).needs()
    )]
    NoInstructions {
        /// What was asked for.
        set: InstructionSet,
    },
    /// The model cannot be run in integers.
    #[error(
        "model `{name}` has heads wider than the CPU's integer products allow; \
         use the device cpu:candle"
    )]
    Shape {
        /// The model's name.
        name: String,
    },
    /// A weights file that is damaged or not of its format.
    #[error("cannot read weights {}: {reason}; the file is damaged or of another format", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// The architecture needs a tensor that the weights lack.
    #[error(
        "weights {} have no tensor `{tensor}`, which config.json asks for; \
         the two do not belong together, or the model has another kind of head",
        path.display()
    )]
    NoTensor {
        /// The weights file.
        path: PathBuf,
        /// Its name as the model hub spells it.
        tensor: String,
    },
    /// A tensor of another shape than config.json says.
    #[error(
        "tensor `{tensor}` in weights {} has shape {found:?}, but config.json asks for {expected:?}",
        path.display()
    )]
    TensorShape {
        /// The weights file.
        path: PathBuf,
        /// Its name as the model hub spells it.
        tensor: String,
        /// By config.json.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// tokenizer.json cannot be used.
    #[error("cannot use tokenizer {}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: BoxError,
    },
    /// A model of one kind was loaded as the other.
    #[error("model `{name}` is a {found}, but a {wanted} is needed here")]
    Role {
        /// The model's name.
        name: String,
        /// What it is.
        found: ModelRole,
        /// What it was loaded as.
        wanted: ModelRole,
    },
    /// The files of a folder do not say what kind of model it is.
    #[error(
        "cannot tell from its files whether model folder {} is a bi-encoder or a cross-encoder; \
         name the role",
        path.display()
    )]
    UnknownRole {
        /// The folder.
        path: PathBuf,
    },
    /// A folder whose files ask for something that is not done here.
    #[error("cannot use model folder {}: {reason}", path.display())]
    Unsupported {
        /// The folder.
        path: PathBuf,
        /// What it asks for.
        reason: String,
    },
    /// A text could not be tokenised.
    #[error("model `{name}` could not tokenise a text")]
    Tokenize {
        /// The model's name.
        name: String,
        /// The tokenizer's words.
        #[source]
        source: BoxError,
    },
    /// The model could not be run.
    #[error("model `{name}` could not be run")]
    Run {
        /// The model's name.
        name: String,
        /// The device's words.
        #[source]
        source: BoxError,
    },
    /// The model answered with infinity or no number at all.
    #[error(
        "model `{name}` gave a value that is not finite; its weights are probably damaged: \
         check them with `treffer model verify`"
    )]
    NotFinite {
        /// The model's name.
        name: String,
    },
}
