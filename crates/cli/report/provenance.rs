//! Where a report's numbers come from.

use std::path::Path;

use treffer_engine::index::Index;
use treffer_engine::profile::Profile;
use treffer_engine::topics::Topics;

use super::command::shown;
use super::markup::{Markup, el, text};
use super::page::{Cell, folded, table};
use crate::args::Judged;
use crate::output::grouped;

/// Everything that a reader needs to come to the same numbers.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// What was typed for all judged queries.
    pub(crate) judged: &'a Judged,
    /// The index that was searched.
    pub(crate) index: &'a Index,
    /// The profile, with what was set on the command line.
    pub(crate) profile: &'a Profile,
    /// The queries and judgements.
    pub(crate) topics: &'a Topics,
    /// Year-month-day.
    pub(crate) date: &'a str,
    /// The command line.
    pub(crate) words: &'a [String],
}

impl Origin<'_> {
    /// The index's folder by its last name.
    pub(super) fn index_name(&self) -> String {
        file_name(self.index.dir())
    }

    /// As a section.
    pub(super) fn to_markup(self) -> Markup {
        let manifest = self.index.manifest();
        let mut rows: Vec<(&str, Markup)> = vec![
            ("date", text(format!("{} (UTC)", self.date))),
            (
                "program",
                text(format!("treffer {}", env!("CARGO_PKG_VERSION"))),
            ),
            ("command", shown(self.words).into()),
            (
                "index",
                text(format!(
                    "{}, {} documents, generation {}",
                    self.index.dir().display(),
                    grouped(u64::from(manifest.n_documents())),
                    manifest.generation
                )),
            ),
        ];
        let models = [
            ("bi-encoder", &manifest.models.dense),
            ("cross-encoder", &manifest.models.cross),
        ];
        for (role, record) in models {
            if let Some(record) = record {
                let said = format!("{}, fingerprint {}", record.spec.name, record.fingerprint);
                rows.push((role, text(said)));
            }
        }
        let mismatches = &self.topics.mismatches;
        let (n, judged) = (self.topics.queries.len(), &self.judged);
        rows.push((
            "queries",
            text(format!("{}: {n} judged", judged.queries.display())),
        ));
        rows.push(("judgements", text(judged.qrels.display())));
        let left_out = [
            (
                mismatches.queries_not_judged,
                "queries without judgements, left out",
            ),
            (
                mismatches.judged_not_given,
                "judged queries not given, left out",
            ),
            (
                mismatches.queries_without_relevant,
                "queries without a relevant document, counted as 0",
            ),
            (
                mismatches.documents_unknown,
                "judged documents not in the index",
            ),
        ];
        for (n, what) in left_out.into_iter().filter(|(n, _)| *n > 0) {
            rows.push(("note", text(format!("{} {what}", grouped(n as u64)))));
        }
        rows.push(("profile", text(&judged.how.profile)));
        let rows = rows.into_iter().map(|(name, value)| {
            vec![
                Cell::markup(el("strong").text(name)),
                Cell::markup(value).class("wide"),
            ]
        });
        let mut body = table(&[], rows.collect());
        let profile = toml_of(self.profile);
        body.push(folded(
            "the profile in full",
            el("pre").add(el("code").text(profile)),
        ));
        body
    }
}

fn toml_of(profile: &Profile) -> String {
    profile.to_toml()
}

fn file_name(path: &Path) -> String {
    let name = path.file_name();
    name.map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}
