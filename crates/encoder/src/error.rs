//! Errors of describing, loading and running models.

use std::path::PathBuf;

use treffer_types::{BoxError, Device, InstructionSet, ModelRole};

/// Why a model could not be described, loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// CUDA was requested in a build without the `cuda` feature.
    #[error(
        "cannot use device {device}: this build lacks the `cuda` feature; \
         build with `--features cuda`, or choose device cpu"
    )]
    NoCuda {
        /// The requested device.
        device: Device,
    },
    /// The device could not be opened.
    #[error("cannot open device {device}; check the driver, or choose device cpu")]
    OpenDevice {
        /// The requested device.
        device: Device,
        /// The driver's error.
        #[source]
        source: BoxError,
    },
    /// A file of the model could not be read.
    #[error("cannot read model file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        #[source]
        source: std::io::Error,
    },
    /// The folder has no weights file in a supported format.
    #[error(
        "no weights in model folder {}: expected one of model.safetensors, model.onnx, \
         model.e5s1{hint}",
        path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// What was found instead and what to do about it; may be empty.
        hint: &'static str,
    },
    /// The folder has more than one weights file, and it is ambiguous which to use.
    #[error("several weights in model folder {}: {found}; keep one of them", path.display())]
    SeveralWeights {
        /// The folder.
        path: PathBuf,
        /// Their names.
        found: String,
    },
    /// The folder has no tokenizer that can be read.
    #[error("no tokenizer in model folder {}: expected tokenizer.json{hint}", path.display())]
    NoTokenizer {
        /// The folder.
        path: PathBuf,
        /// What was found instead and what to do about it; may be empty.
        hint: String,
    },
    /// A file differs from its pinned checksum.
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
        /// The pinned checksum.
        expected: String,
        /// The file's checksum.
        found: String,
    },
    /// A JSON file is invalid or lacks a key.
    #[error("cannot read {} as the JSON expected of it", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        #[source]
        source: serde_json::Error,
    },
    /// A configuration value is invalid or unsupported.
    #[error("cannot build the model of {}: `{key}` {reason}", path.display())]
    Config {
        /// The file with the value, or the folder if the value comes from the spec.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
    /// The processor does not support the requested instruction set.
    #[error(
        "device cpu:{set} needs a processor with {needs}, which this machine lacks; \
         `cpu` uses the best instructions that it has"
    )]
    NoInstructions {
        /// The requested instruction set.
        set: InstructionSet,
        /// The processor features that it consists of.
        needs: &'static str,
    },
    /// The model's shape is not supported by the integer kernels.
    #[error(
        "model `{name}` has wider heads or more positions than the integer kernels support; \
         use the device cpu:candle"
    )]
    Shape {
        /// The model's name.
        name: String,
    },
    /// The model's shape is not supported by the kernels in bf16.
    #[error(
        "model `{name}` has heads or rows of a width that the kernels in bf16 are not made for; \
         use the device without :bf16"
    )]
    PackedShape {
        /// The model's name.
        name: String,
    },
    /// The kernels could not be loaded onto the device, or a model's weights not moved to it.
    #[error("cannot load model `{name}` onto device {device}")]
    LoadKernels {
        /// The model's name.
        name: String,
        /// The requested device.
        device: Device,
        /// What the driver says.
        #[source]
        source: BoxError,
    },
    /// A weights file is damaged or has another format than its name says.
    #[error("cannot read weights {}: {reason}; the file is damaged or has another format", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// The weights lack a tensor that the configuration requires.
    #[error(
        "weights {} have no tensor `{tensor}`, which config.json requires; \
         the two files are of different models, or the model has another kind of head",
        path.display()
    )]
    NoTensor {
        /// The weights file.
        path: PathBuf,
        /// The tensor's name, as in PyTorch.
        tensor: String,
    },
    /// A tensor has another shape than the configuration requires.
    #[error(
        "tensor `{tensor}` in weights {} has shape {found:?}, but config.json requires {expected:?}",
        path.display()
    )]
    TensorShape {
        /// The weights file.
        path: PathBuf,
        /// The tensor's name, as in PyTorch.
        tensor: String,
        /// The shape by config.json.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor holds infinity or what is no number.
    #[error(
        "tensor `{tensor}` in weights {} holds values that are not finite; the file is damaged: \
         get it again, for a registered model with `treffer model pull --force`",
        path.display()
    )]
    TensorNotFinite {
        /// The weights file.
        path: PathBuf,
        /// The tensor's name, as in PyTorch.
        tensor: String,
    },
    /// tokenizer.json is invalid or unsupported.
    #[error("cannot use tokenizer {}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: BoxError,
    },
    /// A bi-encoder was loaded as a cross-encoder, or the other way round.
    #[error("model `{name}` is a {found}, but a {wanted} is needed here")]
    Role {
        /// The model's name.
        name: String,
        /// The model's role.
        found: ModelRole,
        /// The role that it was loaded for.
        wanted: ModelRole,
    },
    /// The files of a folder do not tell the model's role.
    #[error(
        "cannot tell from its files whether model folder {} is a bi-encoder, a cross-encoder or a \
         model of late interaction; name the role",
        path.display()
    )]
    UnknownRole {
        /// The folder.
        path: PathBuf,
    },
    /// The files of a folder require something that is not supported.
    #[error("cannot use model folder {}: {reason}", path.display())]
    Unsupported {
        /// The folder.
        path: PathBuf,
        /// What they require.
        reason: String,
    },
    /// A text could not be tokenized.
    #[error("model `{name}` could not tokenize a text")]
    Tokenize {
        /// The model's name.
        name: String,
        /// The tokenizer's error.
        #[source]
        source: BoxError,
    },
    /// The model could not be run.
    #[error("model `{name}` could not be run")]
    Run {
        /// The model's name.
        name: String,
        /// The error of candle or the device.
        #[source]
        source: BoxError,
    },
    /// The model's output contains infinity or NaN.
    #[error(
        "the output of model `{name}` is not finite; its weights are probably damaged: \
         check them with `treffer model verify`"
    )]
    NotFinite {
        /// The model's name.
        name: String,
    },
}
