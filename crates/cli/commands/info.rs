//! `treffer info`: what an index holds, and whether its files are sound.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::json;
use treffer_engine::config::{Fields, Settings};
use treffer_engine::manifest::{Manifest, ModelRecord, SETTINGS};

use crate::Outcome;
use crate::args::{Info, ReportFormat};
use crate::output::{Table, bytes, grouped};

/// Prints manifest and settings after checking every file. Loads no models.
pub(crate) fn run(command: &Info) -> Result<Outcome> {
    let manifest = Manifest::read(&command.dir)?;
    let settings = Settings::read(&command.dir.join(SETTINGS))?;
    for segment in &manifest.segments {
        segment.verify(&command.dir.join(&segment.name))?;
    }
    let mut out = io::stdout().lock();
    match command.format {
        ReportFormat::Json => {
            writeln!(
                out,
                "{}",
                json!({ "manifest": manifest, "settings": settings })
            )?;
        }
        ReportFormat::Table => write_table(&mut out, &manifest, &settings)?,
    }
    Ok(Outcome::Found)
}

fn write_table(out: &mut dyn Write, manifest: &Manifest, settings: &Settings) -> io::Result<()> {
    let bm25 = &manifest.blueprint.bm25;
    let n_files: usize = manifest
        .segments
        .iter()
        .map(|segment| segment.files.len())
        .sum();
    let mut table = Table::default();
    table.row([
        "documents".to_string(),
        grouped(manifest.n_documents().into()),
    ]);
    table.row([
        "size".to_string(),
        format!(
            "{}, {n_files} files, all checksums right",
            bytes(manifest.n_bytes())
        ),
    ]);
    table.row([
        "written by".to_string(),
        format!(
            "{}, generation {}",
            manifest.written_by, manifest.generation
        ),
    ]);
    table.row([
        "bm25".to_string(),
        format!(
            "{} analyzer, {}, k1 {}, b {}",
            bm25.analyzer,
            fields(bm25.fields),
            settings.k1,
            settings.b
        ),
    ]);
    if let (Some(dense), Some(record)) = (&manifest.blueprint.dense, &manifest.models.dense) {
        let graph = format!(
            "m {}, ef_construction {}",
            dense.graph.m, dense.graph.ef_construction
        );
        table.row(["dense".to_string(), format!("{}, {graph}", model(record))]);
    }
    if let Some(record) = &manifest.models.cross {
        table.row(["cross".to_string(), model(record)]);
    }
    let arithmetic = match settings.device.arithmetic() {
        Ok(arithmetic) => arithmetic,
        Err(error) => error.to_string(),
    };
    table.row([
        "device".to_string(),
        format!("{} ({arithmetic})", settings.device),
    ]);
    for (name, profile) in &settings.profiles {
        let tuned = match &profile.tuned {
            None => String::new(),
            Some(tuned) => format!(
                ", tuned {} on {} queries of {}: {} {:.4} out of fold, {:.4} before",
                tuned.date,
                tuned.n_queries,
                tuned.queries,
                tuned.metric,
                tuned.out_of_fold,
                tuned.before
            ),
        };
        let trees = match &profile.learned {
            None => "",
            Some(_) => " and trees over them",
        };
        table.row([
            format!("profile {name}"),
            format!(
                "{}, bm25 {} dense {} cross {}, weights {}{trees}{tuned}",
                profile.mode,
                profile.bm25_depth,
                profile.dense_depth,
                profile.cross_depth,
                profile.weights
            ),
        ]);
    }
    table.write(out)
}

fn model(record: &ModelRecord) -> String {
    let short: String = record.fingerprint.to_string().chars().take(12).collect();
    format!(
        "{}, at most {} tokens, fingerprint {short}",
        record.spec.name, record.spec.max_length
    )
}

fn fields(fields: Fields) -> String {
    match fields {
        Fields::Concatenated => "title and text as one field".into(),
        Fields::Weighted { title, text } => format!("fields weighted: title {title}, text {text}"),
    }
}
