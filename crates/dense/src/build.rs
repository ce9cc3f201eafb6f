//! Builds a graph with the builder that the configuration names.

use std::sync::Arc;

use treffer_types::Progress;

use crate::batches;
use crate::config::{Builder, GraphConfig};
use crate::error::Error;
use crate::layers::Layers;
use crate::library;
use crate::repair::connect;
use crate::vectors::Vectors;

/// Builds the graph over `vectors`, of which there is one at least, so that every row can be
/// reached on the bottom layer.
pub(crate) fn build(
    vectors: Vectors,
    config: &GraphConfig,
    progress: &dyn Progress,
) -> Result<Layers, Error> {
    let vectors = Arc::new(vectors);
    progress.begin("building the graph", Some(vectors.len() as u64), "vectors");
    let built = match config.builder {
        Builder::Batches => batches::build(&vectors, config, progress),
        Builder::HnswRs => library::build(&vectors, config, progress),
    };
    progress.end();
    let mut layers = built?;
    connect(&mut layers, &vectors, config, progress)?;
    Ok(layers)
}
