//! Where a report's numbers come from.

use std::path::Path;

use treffer_api::SearchOptions;
use treffer_engine::Engine;
use treffer_engine::manifest::ModelRecord;
use treffer_engine::profile::Profile;
use treffer_engine::topics::Topics;

use crate::command::shown;
use crate::markup::{Markup, el, text};
use crate::page::{Cell, folded, table};
use crate::text::grouped;

/// What was measured, and everything that a reader needs to get the same numbers.
#[derive(Clone, Copy)]
pub struct Experiment<'a> {
    /// The index that was searched.
    pub engine: &'a Engine,
    /// How it was searched.
    pub options: &'a SearchOptions,
    /// The profile that `options` name, with everything that they set.
    pub profile: &'a Profile,
    /// The queries and judgments.
    pub topics: &'a Topics,
    /// Where the queries were read from.
    pub queries: &'a Path,
    /// Where the judgments were read from.
    pub qrels: &'a Path,
    /// Day of the measurement, as year-month-day (UTC).
    pub date: &'a str,
    /// Name and version of the program that measured.
    pub program: &'a str,
    /// The command line that started it, a word each.
    pub command: &'a [String],
}

impl Experiment<'_> {
    /// The index's folder by its last name.
    pub(crate) fn index_name(&self) -> String {
        let dir = self.engine.dir();
        let name = dir.file_name();
        name.map_or_else(
            || dir.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// As a section.
    pub(crate) fn provenance(&self) -> Markup {
        let manifest = self.engine.manifest();
        let mut rows: Vec<(&str, Markup)> = vec![
            ("date", text(format!("{} (UTC)", self.date))),
            ("program", text(self.program)),
            ("command", shown(self.command).into()),
            (
                "index",
                text(format!(
                    "{}, {} documents, generation {}",
                    self.engine.dir().display(),
                    grouped(u64::from(manifest.n_documents())),
                    manifest.generation
                )),
            ),
        ];
        let models = &manifest.models;
        let of_all = [
            ("bi-encoder", &models.dense),
            ("late interaction", &models.late),
            ("cross-encoder", &models.cross),
        ];
        let model = |record: &ModelRecord| {
            format!("{}, fingerprint {}", record.spec.name, record.fingerprint)
        };
        for (role, record) in of_all {
            rows.extend(record.as_ref().map(|record| (role, text(model(record)))));
        }
        for (language, record) in &models.cross_by_language {
            let of_queries = format!("{} for queries in {}", model(record), language.name());
            rows.push(("cross-encoder", text(of_queries)));
        }
        let n = self.topics.queries.len();
        rows.push((
            "queries",
            text(format!("{}: {n} judged", self.queries.display())),
        ));
        rows.push(("judgments", text(self.qrels.display())));
        if let Some(filter) = &self.topics.filter {
            let mut said = format!(
                "{}: holds for {} documents; {} relevant judgments are of documents that it excludes, and count as not relevant",
                filter.text,
                grouped(filter.documents as u64),
                grouped(filter.relevant_excluded as u64)
            );
            if filter.queries_emptied > 0 {
                let n = grouped(filter.queries_emptied as u64);
                said.push_str(&format!("; this leaves nothing relevant to {n} queries"));
            }
            rows.push(("filter", text(said)));
        }
        if let Some(now) = self.engine.now() {
            rows.push(("now", text(now)));
        }
        let mismatches = &self.topics.mismatches;
        let notes = [
            (
                mismatches.queries_not_judged,
                "queries without judgments, left out",
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
        for (n, what) in notes.into_iter().filter(|(n, _)| *n > 0) {
            rows.push(("note", text(format!("{} {what}", grouped(n as u64)))));
        }
        rows.push(("profile", text(&self.options.profile)));
        let rows = rows.into_iter().map(|(name, value)| {
            vec![
                Cell::markup(el("strong").text(name)),
                Cell::markup(value).class("wide"),
            ]
        });
        let mut body = table(&[], rows.collect());
        body.push(folded(
            "the complete profile",
            el("pre").add(el("code").text(self.profile.to_toml())),
        ));
        body
    }
}
