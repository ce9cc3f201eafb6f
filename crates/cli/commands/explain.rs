//! `treffer explain`: one document's way through the stages, for one query.

use std::path::PathBuf;

use anyhow::Result;
use treffer_api::{ExplainRequest, SearchOptions};
use treffer_types::Query;

use crate::format::ResultFormat;
use crate::options::{Global, ProfileArgs, at_least_one};
use crate::progress::Bars;
use crate::{Outcome, input};

mod explained;

use explained::Explained;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  treffer explain my-index 'quiet fridge' doc-17
  Would deeper first stages have found it?
    treffer explain my-index 'quiet fridge' doc-17 --set bm25_depth=500")]
pub(crate) struct Explain {
    /// Folder of the index
    dir: PathBuf,
    /// What was searched for
    query: String,
    /// Id of the document
    doc: String,
    /// As for a search with this filter
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Ranks that count as found
    #[arg(long, short = 'k', default_value = "10", value_name = "N", value_parser = at_least_one())]
    top_k: usize,
    /// Distance of two weights that are tried; 1 must be a multiple of it
    #[arg(long, default_value_t = 0.05)]
    step: f64,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: ResultFormat,
}

/// Explains; a document that is not found is no failure.
pub(crate) fn run(command: &Explain, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    let steps = input::steps(command.step)?;
    let bars = Bars::new();
    let options = SearchOptions {
        top_k: command.top_k,
        filter: command.filter.clone(),
        ..command.profile.options()
    };
    let (stages, time) = (options.stages.clone(), input::Time::OfSearch);
    let engine = input::open_profiled(&command.dir, &command.profile, stages, time, global, &bars)?;
    let explanation = engine.explain(&ExplainRequest {
        query: Query::text(&command.query),
        doc: command.doc.clone(),
        options,
        steps,
    })?;
    let explained = Explained::new(
        &command.query,
        command.filter.as_deref(),
        command.top_k,
        &explanation,
    );
    command.format.print(&explained)?;
    Ok(Outcome::Found)
}
