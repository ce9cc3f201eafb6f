//! `treffer delete`: documents out of an index.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use treffer_corpus::read_ids;
use treffer_engine::build::{DeleteRequest, delete};
use treffer_report::text::count;

use crate::Outcome;
use crate::problems::Problems;
use crate::progress::Bars;
use crate::terminal::{note, say, warn};

/// Unknown ids that are shown.
const SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// Folder of the index
    dir: PathBuf,
    /// Ids of documents
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// A file with an id on each line, also .gz or .zst, or - for standard input
    #[arg(long, value_name = "FILE")]
    ids_from: Option<PathBuf>,
    /// Delete all documents that this holds for, as in 'discontinued:true'
    #[arg(long, value_name = "FILTER", conflicts_with_all = ["ids", "ids_from"])]
    filter: Option<String>,
    /// Leave segments as they are, even if much of them is deleted
    #[arg(long)]
    no_merge: bool,
}

/// Deletes documents. Ids that no document has are reported, and are no error.
pub(crate) fn run(command: &Delete) -> Result<Outcome> {
    let bars = Bars::cancellable()?;
    let mut ids = command.ids.clone();
    if let Some(path) = &command.ids_from {
        let mut problems = Problems::new(None)?;
        let read = read_ids(path, &bars.stop(), &mut |problem| {
            problems.add(&problem, &say);
        });
        problems.end_input("bad line", Some(path));
        ids.extend(read.context("could not read the ids")?);
    }
    ensure!(
        !ids.is_empty() || command.filter.is_some(),
        "there is nothing to delete: name ids, a file of them with --ids-from, or a --filter"
    );
    let request = DeleteRequest {
        dir: &command.dir,
        ids: &ids,
        filter: command.filter.clone(),
        merges: !command.no_merge,
    };
    let report = delete(&request, &bars)?;
    say(&format!(
        "deleted {} from {}: {} now",
        count(report.deleted.into(), "document"),
        command.dir.display(),
        count(report.documents.into(), "document"),
    ));
    for warning in &report.warnings {
        warn(warning);
    }
    if !report.unknown.is_empty() {
        let shown: Vec<&str> = report
            .unknown
            .iter()
            .map(String::as_str)
            .take(SHOWN)
            .collect();
        let more = if report.unknown.len() > SHOWN {
            ", ..."
        } else {
            ""
        };
        note(&format!(
            "{} that no document has: {}{more}",
            count(report.unknown.len() as u64, "id"),
            shown.join(", "),
        ));
    }
    Ok(if report.deleted > 0 {
        Outcome::Found
    } else {
        Outcome::NothingFound
    })
}
