//! `treffer judge`: judgements by the cross-encoder, marked as such.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use treffer_corpus::MODEL_JUDGE;
use treffer_engine::index::Index;
use treffer_engine::judge::{JudgeRequest, Judgement, judge};

use crate::args::{Global, How, Judge};
use crate::output::count;
use crate::progress::Bars;
use crate::{Outcome, source};

/// Reads the candidates of every query and writes what the model makes of them.
pub(crate) fn run(command: &Judge, global: &Global) -> Result<Outcome> {
    source::limit_threads(global)?;
    refuse_to_overwrite(command)?;
    let queries = source::queries(&command.queries)?;
    let bars = Bars::cancellable()?;
    let how = How {
        profile: command.profile.clone(),
        stages: None,
        weights: None,
        overrides: Vec::new(),
        device: command.device,
    };
    let index = source::open_index(&command.dir, &how, None, global, &bars)?;
    let profile = source::profile(index.settings(), &how)?;
    let model = model(&index)?;
    if command.dry_run {
        let queries = source::queries_counted(queries.len());
        eprintln!(
            "would have {model} read up to {} for each of {queries}",
            count(command.depth as u64, "document")
        );
        return Ok(Outcome::Found);
    }
    let request = JudgeRequest {
        profile: &profile,
        depth: command.depth,
        thresholds: &command.thresholds,
    };
    let judgements = judge(&index, &request, &queries, &bars)?;
    match &command.output {
        None => write(io::stdout().lock(), &judgements, &model)?,
        Some(path) => {
            let name = path.display();
            let file = File::create(path).with_context(|| format!("could not create {name}"))?;
            write(file, &judgements, &model).with_context(|| format!("could not write {name}"))?;
        }
    }
    tell(command, queries.len(), &judgements, &model);
    match judgements.is_empty() {
        true => Ok(Outcome::NothingFound),
        false => Ok(Outcome::Found),
    }
}

/// Judgements that took people weeks are not to go by a slip.
fn refuse_to_overwrite(command: &Judge) -> Result<()> {
    match &command.output {
        Some(path) if !command.replace && !command.dry_run && path.exists() => bail!(
            "{} is there already; pass --replace to write over it",
            path.display()
        ),
        _ => Ok(()),
    }
}

/// The cross-encoder's name, without blanks, which would make two columns of it.
fn model(index: &Index) -> Result<String> {
    match &index.manifest().models.cross {
        Some(record) => Ok(record
            .spec
            .name
            .split_whitespace()
            .collect::<Vec<_>>()
            .join("_")),
        None => bail!(
            "the index in {} has no cross-encoder to judge with; build one with --set cross.model=NAME",
            index.dir().display()
        ),
    }
}

/// Four columns with tabs between, so that our own reader takes ids with blanks too.
fn write(to: impl Write, judgements: &[Judgement], model: &str) -> Result<()> {
    let mut out = BufWriter::new(to);
    for Judgement { query, doc, grade } in judgements {
        writeln!(out, "{query}\t{MODEL_JUDGE}{model}\t{doc}\t{grade}")?;
    }
    Ok(out.flush()?)
}

fn tell(command: &Judge, n_queries: usize, judgements: &[Judgement], model: &str) {
    let largest = command.thresholds.len();
    let mut by_grade = vec![0_u64; largest + 1];
    let mut relevant: Vec<&str> = Vec::new();
    for judgement in judgements {
        by_grade[usize::try_from(judgement.grade).unwrap_or(0).min(largest)] += 1;
        if judgement.grade > 0 {
            relevant.push(&judgement.query);
        }
    }
    relevant.dedup(); // they come query by query
    let to = command
        .output
        .as_deref()
        .map_or("standard output".into(), |path: &Path| {
            path.display().to_string()
        });
    let grades: Vec<String> = (0..)
        .zip(&by_grade)
        .map(|(grade, n): (u32, _)| format!("{n} of grade {grade}"))
        .collect();
    eprintln!(
        "wrote {} by {model} to {to}: {}",
        count(judgements.len() as u64, "judgement"),
        grades.join(", ")
    );
    let without = n_queries - relevant.len();
    if without > 0 {
        eprintln!(
            "note: {} without a relevant document",
            source::queries_counted(without)
        );
    }
}
