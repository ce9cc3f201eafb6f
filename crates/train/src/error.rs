//! Errors of training.

use std::path::PathBuf;

/// Why a model could not be trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        #[source]
        source: std::io::Error,
    },
    /// The base model could not be read, or a text not be tokenized.
    #[error(transparent)]
    Model(#[from] treffer_encoder::Error),
    /// The output could not be written.
    #[error(transparent)]
    Disk(#[from] treffer_disk::Error),
    /// An option has a value that it cannot have.
    #[error("cannot train with `{option}` {value}: {reason}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        reason: String,
    },
    /// There is nothing to learn from.
    #[error("there is nothing to learn from: {reason}")]
    NoExamples {
        /// Why, and what to do.
        reason: String,
    },
    /// A training was begun in the folder, and it was not said that it should go on.
    #[error(
        "{} already holds a training, at step {step}; go on with `--resume`, begin anew with `--replace`, or choose another folder",
        path.display()
    )]
    Begun {
        /// The checkpoint.
        path: PathBuf,
        /// How far it is.
        step: u64,
    },
    /// The folder holds a model, and it was not said that it should be replaced.
    #[error(
        "{} is of a model that is there already; choose another folder, or write over it with `--replace`",
        path.display()
    )]
    Occupied {
        /// A file of the model.
        path: PathBuf,
    },
    /// The folder is that of the base.
    #[error(
        "cannot train into {}: it holds the base itself, which would be lost; choose another folder",
        path.display()
    )]
    OverBase {
        /// The folder.
        path: PathBuf,
    },
    /// A training should go on that was never begun.
    #[error("cannot resume: there is no checkpoint {}; begin without `--resume`", path.display())]
    NotBegun {
        /// The checkpoint that was looked for.
        path: PathBuf,
    },
    /// A checkpoint is damaged, or of another training.
    #[error("cannot resume from {}: {reason}", path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The loss, the gradient or a parameter is not a number any more.
    #[error(
        "the {what} became {value} after {step} steps (examples: {examples}); checkpoint and saved \
         model, if any, are of a step before; begin again in another folder with a smaller \
         learning rate"
    )]
    NotFinite {
        /// `loss`, `gradient` or `model`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Number of steps that were made before.
        step: u64,
        /// Where the examples of the step come from.
        examples: String,
    },
    /// The teacher could not read a text.
    #[error("the teacher could not score {example}")]
    Teacher {
        /// Where the example comes from.
        example: String,
        /// What the model says.
        #[source]
        source: treffer_types::BoxError,
    },
    /// The file of a teacher's scores could not be read or written.
    #[error("cannot keep the teacher's scores in {}; delete it if it is damaged", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The base model cannot become what is asked for, or one of its files is not what it should
    /// be.
    #[error("cannot make a model from {}: {reason}", path.display())]
    Base {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
