//! `treffer index`: corpus to index.

use std::time::Duration;

use anyhow::Result;
use treffer_corpus::{Columns, Format, Problem, ReadOptions};
use treffer_engine::build::{BuildReport, BuildRequest, Survey, build, survey};
use treffer_engine::config::{Config, Settings, Source};
use treffer_engine::index::names;
use treffer_engine::manifest::SETTINGS;
use treffer_engine::models::RegistryModels;

use crate::args::{Global, Index, InputFormat};
use crate::progress::Bars;
use crate::{Outcome, output, source};

/// Builds an index, or with `--dry-run` says what would go into it.
pub(crate) fn run(command: &Index, global: &Global) -> Result<Outcome> {
    source::limit_threads(global)?;
    let base = match &command.config {
        Some(path) => Source::File(path),
        None => Source::Preset(&command.preset),
    };
    let config = Config::load(base, &command.overrides)?;
    let reading = reading(command);
    let request = BuildRequest {
        dir: &command.dir,
        inputs: &command.inputs,
        reading: &reading,
        config: &config,
        replace: command.replace,
        strict: command.strict,
    };
    let bars = Bars::cancellable()?;
    let mut on_problem = |problem: &Problem| bars.say(&format!("skipped: {problem}"));
    if command.dry_run {
        let survey = survey(&request, &bars, &mut on_problem)?;
        report_survey(command, &config, &survey);
        return Ok(Outcome::Found);
    }
    let tuned = tuned_profiles(command);
    let models = RegistryModels {
        registry: source::registry(global)?,
        progress: &bars,
    };
    let report = build(&request, &models, &bars, &mut on_problem)?;
    report_build(command, &report);
    if !tuned.is_empty() {
        eprintln!(
            "note: the weights tuned for the index before are gone with it (profile {}); tune again",
            tuned.join(", ")
        );
    }
    Ok(Outcome::Found)
}

/// Profiles with tuned weights of the index that is about to be replaced.
fn tuned_profiles(command: &Index) -> Vec<String> {
    let settings = Settings::read(&command.dir.join(SETTINGS));
    let profiles = settings.map_or_else(|_| Default::default(), |settings| settings.profiles);
    let tuned = profiles
        .into_iter()
        .filter(|(_, profile)| profile.tuned.is_some());
    tuned.map(|(name, _)| name).collect()
}

fn reading(command: &Index) -> ReadOptions {
    ReadOptions {
        format: command.input_format.map(|format| match format {
            InputFormat::Jsonl => Format::Jsonl,
            InputFormat::Csv => Format::Csv,
            InputFormat::Tsv => Format::Tsv,
        }),
        columns: Columns {
            id: command.id_column.clone(),
            title: command.title_column.clone(),
            text: command.text_column.clone(),
        },
        ..ReadOptions::default()
    }
}

fn report_survey(command: &Index, config: &Config, survey: &Survey) {
    eprintln!(
        "would index {} into {} with {}; {} skipped; nothing was written",
        output::count(survey.documents.into(), "document"),
        command.dir.display(),
        names(&config.stages()),
        output::count(survey.problems, "bad record"),
    );
}

fn report_build(command: &Index, report: &BuildReport) {
    let total: Duration = report.steps.iter().map(|(_, elapsed)| *elapsed).sum();
    let steps: Vec<String> = report
        .steps
        .iter()
        .map(|(step, elapsed)| format!("{step} {:.1} s", elapsed.as_secs_f64()))
        .collect();
    eprintln!(
        "indexed {} into {}: {} in {:.1} s ({})",
        output::count(report.documents.into(), "document"),
        command.dir.display(),
        output::bytes(report.bytes),
        total.as_secs_f64(),
        steps.join(", "),
    );
    if report.problems > 0 {
        eprintln!(
            "note: {} skipped, each reported above",
            output::count(report.problems, "bad record")
        );
    }
    if report.documents_cut > 0 {
        eprintln!(
            "note: {} longer than the bi-encoder reads; {} unread there (BM25 has them all)",
            output::count(report.documents_cut.into(), "document"),
            output::count(report.tokens_cut, "token"),
        );
    }
}
