//! `treffer info`: what an index holds, and whether its files are sound.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use treffer_encoder::arithmetic;
use treffer_engine::LanguageCounts;
use treffer_engine::check::{Checked, Damage, check};
use treffer_engine::config::{Compression, Fields, LateStorage, PassageConfig, Settings, Unit};
use treffer_engine::fields::{FieldCount, field_counts};
use treffer_engine::manifest::{Manifest, ModelRecord};
use treffer_engine::passages::USUAL_TOKENS;
use treffer_engine::profile::Profile;
use treffer_engine::settings_file::Current;
use treffer_report::text::{count, grouped};
use treffer_types::{ModelRole, Scoring};

use crate::Outcome;
use crate::format::{Block, Blocks, Columns, ResultFormat};
use crate::terminal::{bytes, warn};

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Folder of the index
    dir: PathBuf,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: ResultFormat,
}

/// Prints manifest and settings after checking every file. Loads no models.
pub(crate) fn run(command: &Info) -> Result<Outcome> {
    let Checked {
        manifest,
        settings,
        languages,
        unlisted,
        damage,
    } = check(&command.dir)?;
    let Current { settings, note } = settings?;
    if let Some(Damage { path, what }) = damage.into_iter().next() {
        return Err(treffer_engine::Error::Damaged { path, what }.into());
    }
    if let Some(note) = note {
        warn(&note);
    }
    let fields = field_counts(&command.dir, &manifest)?;
    command.format.print(&IndexInfo {
        manifest,
        languages,
        unlisted,
        fields,
        settings,
    })?;
    Ok(Outcome::Found)
}

/// What an index holds.
#[derive(Serialize)]
struct IndexInfo {
    manifest: Manifest,
    languages: LanguageCounts,
    /// Passages that late interaction retrieves only by scoring all.
    #[serde(skip_serializing_if = "is_zero")]
    unlisted: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldCount>,
    settings: Settings,
}

impl Blocks for IndexInfo {
    fn blocks(&self) -> Vec<Block> {
        let IndexInfo {
            manifest,
            languages,
            unlisted,
            fields,
            settings,
        } = self;
        let mut table = Columns::default();
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row("documents", documents(manifest));
        if let Some(passages) = &manifest.blueprint.passages {
            row("passages", split(manifest, passages));
        }
        row("languages", language_counts(languages));
        for FieldCount {
            name,
            field_type,
            documents,
        } in fields
        {
            let documents = count(*documents as u64, "document");
            row(
                &format!("field {name}"),
                format!("{field_type}, in {documents}"),
            );
        }
        row("size", size(manifest));
        row(
            "written by",
            format!(
                "{}, generation {}",
                manifest.written_by, manifest.generation
            ),
        );
        row("bm25", bm25(manifest, settings));
        if let (Some(dense), Some(record)) = (&manifest.blueprint.dense, &manifest.models.dense) {
            let graph = &dense.graph;
            row(
                "dense",
                format!(
                    "{}, m {}, ef_construction {}",
                    model(record),
                    graph.m,
                    graph.ef_construction
                ),
            );
        }
        if let (Some(late), Some(record)) = (&manifest.blueprint.late, &manifest.models.late) {
            let mut text = format!("{}, {}", model(record), kept(&late.compression));
            if *unlisted > 0 {
                let n = count(*unlisted as u64, "passage");
                text.push_str(&format!(
                    "; {n} not listed by centroids, so that retrieval (late_depth) scores all, \
                     which `treffer compact` mends"
                ));
            }
            row("late", text);
        }
        if let Some(record) = &manifest.models.cross {
            row("cross", model(record));
        }
        for (language, record) in &manifest.models.cross_by_language {
            let of_queries = format!("{}, for queries in {}", model(record), language.name());
            row("cross", of_queries);
        }
        let arithmetic = arithmetic(settings.device).unwrap_or_else(|error| error.to_string());
        row("device", format!("{} ({arithmetic})", settings.device));
        for (name, settings) in &settings.profiles {
            row(&format!("profile {name}"), profile(settings));
        }
        vec![Block::Columns(table)]
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// The documents, how many are deleted, and in how many segments they are.
fn documents(manifest: &Manifest) -> String {
    let mut text = grouped(manifest.n_documents().into());
    if manifest.n_deleted() > 0 {
        let deleted = grouped(manifest.n_deleted().into());
        text.push_str(&format!(
            ", and {deleted} deleted, which `treffer compact` removes"
        ));
    }
    if manifest.segments.len() > 1 {
        text.push_str(&format!(", in {} segments", manifest.segments.len()));
    }
    if manifest.unfinished {
        text.push_str("; the command that builds the index was interrupted");
    }
    text
}

fn split(manifest: &Manifest, config: &PassageConfig) -> String {
    let unit = match config.bm25 {
        Unit::Document => "documents",
        Unit::Passage => "passages",
    };
    format!(
        "{} of at most {} tokens, overlap {}; BM25 scores {unit}",
        grouped(manifest.n_passages().into()),
        config.tokens.unwrap_or(USUAL_TOKENS),
        config.overlap
    )
}

/// The documents by language, of the languages that occur.
fn language_counts(counts: &LanguageCounts) -> String {
    let LanguageCounts {
        de,
        en,
        other,
        unsure,
    } = *counts;
    let all = [
        (de, "German"),
        (en, "English"),
        (other, "other"),
        (unsure, "unsure"),
    ];
    let some = all.iter().filter(|(n, _)| *n > 0);
    let some: Vec<String> = some
        .map(|(n, name)| format!("{} {name}", grouped((*n).into())))
        .collect();
    some.join(", ")
}

fn size(manifest: &Manifest) -> String {
    format!(
        "{}, {} files, all checksums right",
        bytes(manifest.n_bytes()),
        manifest.n_files()
    )
}

fn bm25(manifest: &Manifest, settings: &Settings) -> String {
    let built = &manifest.blueprint.bm25;
    let fields = match built.fields {
        Fields::Concatenated => "title and text as one field".into(),
        Fields::Weighted { title, text } => format!("fields weighted: title {title}, text {text}"),
    };
    let accents = match built.fold_accents {
        Some(true) => ", accents folded",
        Some(false) => ", accents kept",
        // As the analyzer has it.
        None => "",
    };
    let negation = if built.negation {
        ", negated words marked"
    } else {
        ""
    };
    format!(
        "{} analyzer{accents}{negation}, {fields}, k1 {}, b {}",
        built.analyzer, settings.bm25.k1, settings.bm25.b
    )
}

/// How token vectors are kept.
fn kept(compression: &Compression) -> String {
    let form = match compression.storage {
        LateStorage::F16 => "f16",
        LateStorage::Int8 => "int8",
        LateStorage::Int4 => "int4",
        LateStorage::Residual2 => "residuals of 2 bits",
        LateStorage::Residual1 => "residuals of 1 bit",
    };
    let mut text = format!("tokens in {form}");
    if let Some(dimension) = compression.dimension {
        text.push_str(&format!(" of {dimension} values"));
    }
    if compression.pool > 1 {
        text.push_str(&format!(", one for {}", compression.pool));
    }
    text
}

fn model(record: &ModelRecord) -> String {
    let short: String = record.fingerprint.to_string().chars().take(12).collect();
    let spec = &record.spec;
    let mut text = format!(
        "{}, at most {} tokens, fingerprint {short}",
        spec.name, spec.max_length
    );
    for (what, prefix) in [
        ("queries", &spec.query_prefix),
        ("passages", &spec.passage_prefix),
    ] {
        if !prefix.is_empty() {
            text.push_str(&format!(", {what} after {prefix:?}"));
        }
    }
    if spec.role == ModelRole::BiEncoder {
        text.push_str(&format!(", {} pooling", spec.pooling));
    }
    if spec.details.scoring != Scoring::Logit {
        text.push_str(&format!(", scores are the {}", spec.details.scoring));
    }
    text
}

fn profile(profile: &Profile) -> String {
    let depths = profile.depths.iter();
    let depths: Vec<String> = depths
        .map(|(stage, depth)| format!("{stage} {depth}"))
        .collect();
    let mut text = format!(
        "{}, {}, weights {}",
        profile.mode,
        depths.join(" "),
        profile.weights
    );
    if profile.learned.is_some() {
        text.push_str(" and trees over them");
    }
    if let Some(tuned) = &profile.tuned {
        text.push_str(&format!(
            ", tuned {} on {} queries of {}: {} {:.4} out of fold, {:.4} before",
            tuned.date,
            tuned.n_queries,
            tuned.queries,
            tuned.metric,
            tuned.out_of_fold,
            tuned.before
        ));
    }
    text
}
