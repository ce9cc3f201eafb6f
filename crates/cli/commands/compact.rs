//! `treffer compact`: an index without what is deleted, in one segment.

use std::path::PathBuf;

use anyhow::Result;
use treffer_engine::build::compact;
use treffer_report::text::count;

use crate::Outcome;
use crate::progress::Bars;
use crate::terminal::{bytes, say, warn};

#[derive(Debug, clap::Args)]
pub(crate) struct Compact {
    /// Folder of the index
    dir: PathBuf,
}

/// Compacts an index. Loads no models.
pub(crate) fn run(command: &Compact) -> Result<Outcome> {
    let bars = Bars::cancellable()?;
    let report = compact(&command.dir, &bars)?;
    if report.segments <= 1 && report.deleted == 0 && report.unlisted == 0 {
        say(&format!(
            "{} is compact already: {} in one segment",
            command.dir.display(),
            count(report.documents.into(), "document"),
        ));
        return Ok(Outcome::Found);
    }
    say(&format!(
        "compacted {}: {} instead of {} and {} deleted, {} instead of {}",
        command.dir.display(),
        count(report.documents.into(), "document"),
        count(report.segments as u64, "segment"),
        count(report.deleted.into(), "document"),
        bytes(report.bytes),
        bytes(report.bytes_before),
    ));
    if report.unlisted > 0 {
        say(&format!(
            "{} listed by the centroids of their tokens",
            count(report.unlisted as u64, "passage"),
        ));
    }
    for warning in &report.warnings {
        warn(warning);
    }
    Ok(Outcome::Found)
}
