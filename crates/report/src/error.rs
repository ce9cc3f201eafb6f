//! Why a report cannot be made.

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A document that the report shows cannot be read from the index.
    #[error("could not read what the report shows from the index")]
    Engine(#[from] treffer_engine::Error),

    /// Values of two rankings cannot be compared.
    #[error("could not compare the rankings for the report")]
    Compare(#[from] treffer_eval::Error),
}
