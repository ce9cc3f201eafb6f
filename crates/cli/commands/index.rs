//! `treffer index`: corpus to index.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use treffer::StandardModels;
use treffer_corpus::{Columns, Delimiter, Format, PassedOver, Problem, ReadOptions};
use treffer_engine::build::{
    BuildReport, BuildRequest, PassageCounts, Survey, UnreadLanguages, build, survey,
};
use treffer_engine::config::{Base, Config};
use treffer_engine::settings_file::read_both;
use treffer_report::text::count;
use treffer_types::{StageName, stage_list};

use crate::options::{Global, ReadArgs};
use crate::problems::Problems;
use crate::progress::Bars;
use crate::terminal::{bytes, note, say, warn};
use crate::{Outcome, input};

#[derive(Debug, clap::Args)]
pub(crate) struct Index {
    /// Folder of the index
    dir: PathBuf,
    /// Corpus files (.jsonl, .csv, .tsv, each also .gz or .zst), BEIR folders, folders of .txt, .md and .html, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Start from a shipped configuration: english, german, multilingual or fast
    #[arg(long, default_value = "english", conflicts_with = "config")]
    preset: String,
    /// Start from a configuration file of your own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a single key on top, as in dense.model=./my-model
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Format of the inputs [default: by file name; JSON lines for standard input]
    #[arg(long, value_name = "FORMAT", value_parser = input_format())]
    input_format: Option<Format>,
    /// Column of a table, by name or number from 1, or field of JSON that holds the id
    #[arg(long, value_name = "NAME")]
    id_column: Option<String>,
    /// Column or field that holds the title
    #[arg(long, value_name = "NAME")]
    title_column: Option<String>,
    /// Column or field that holds the text
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// What separates the fields of a CSV: one character, or `tab` [default: a line `sep=;`
    /// or the header tells]
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<Delimiter>,
    /// The tables have no header: columns go by number, and of two, the first is the id
    #[arg(long)]
    no_header: bool,
    #[command(flatten)]
    reading: ReadArgs,
    /// Replace the index that is there; it stays until the new one is complete
    #[arg(long)]
    replace: bool,
    /// Stop at the first bad record instead of reporting and skipping it
    #[arg(long)]
    strict: bool,
    /// Read and check everything, write nothing
    #[arg(long)]
    dry_run: bool,
}

/// The formats of a single input. A folder's files go by their names.
fn input_format() -> impl TypedValueParser<Value = Format> {
    let formats = Format::ALL
        .into_iter()
        .filter(|format| *format != Format::Files);
    PossibleValuesParser::new(formats.map(Format::as_str)).try_map(|name| name.parse::<Format>())
}

/// Builds an index, or with `--dry-run` prints what would go into it.
pub(crate) fn run(command: &Index, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    let base = match &command.config {
        Some(path) => Base::File(path),
        None => Base::Preset(&command.preset),
    };
    let config = Config::load(base, &command.overrides)?;
    let bars = Bars::cancellable()?;
    let reading = ReadOptions {
        stop: bars.stop(),
        ..reading(command)
    };
    let request = BuildRequest {
        dir: &command.dir,
        inputs: &command.inputs,
        reading: &reading,
        config: &config,
        replace: command.replace,
        strict: command.strict,
    };
    let mut problems = Problems::new(command.reading.problems.as_deref())?;
    let show = |line: &str| bars.say(line);
    if command.dry_run {
        let mut on_problem = |problem: &Problem| problems.add(problem, &show);
        let survey = survey(&request, &bars, &mut on_problem);
        problems.end_input("bad record", None);
        report_survey(command, &config, &survey?);
        problems.finish()?;
        return Ok(Outcome::Found);
    }
    let tuned = tuned_profiles(command);
    let models = StandardModels::new(input::registry(global)?).with_progress(&bars);
    let mut on_problem = |problem: &Problem| problems.add(problem, &show);
    let report = build(&request, &models, &bars, &mut on_problem);
    problems.end_input("bad record", None);
    report_build(command, &report?);
    if !tuned.is_empty() {
        let profiles = tuned.join(", ");
        note(&format!(
            "the weights tuned for the index before are gone with it (profile {profiles}); tune again"
        ));
    }
    problems.finish()?;
    Ok(Outcome::Found)
}

/// Profiles with tuned weights of the index that is about to be replaced.
fn tuned_profiles(command: &Index) -> Vec<String> {
    let read = read_both(&command.dir);
    let profiles = read.map_or_else(
        |_| Default::default(),
        |(_, current)| current.settings.profiles,
    );
    let tuned = profiles
        .into_iter()
        .filter(|(_, profile)| profile.tuned.is_some());
    tuned.map(|(name, _)| name).collect()
}

fn reading(command: &Index) -> ReadOptions {
    ReadOptions {
        format: command.input_format,
        columns: Columns {
            id: command.id_column.clone(),
            title: command.title_column.clone(),
            text: command.text_column.clone(),
        },
        delimiter: command.delimiter,
        has_header: !command.no_header,
        encoding: command.reading.encoding,
        ..ReadOptions::default()
    }
}

fn report_survey(command: &Index, config: &Config, survey: &Survey) {
    say(&format!(
        "would index {} into {} with {}; {} skipped; nothing was written",
        count(survey.documents.into(), "document"),
        command.dir.display(),
        stage_list(&stages(config)),
        count(survey.problems, "bad record"),
    ));
    note_passed_over(&survey.passed_over);
}

/// A folder may hold much that is no text, and little that is.
fn note_passed_over(passed_over: &PassedOver) {
    if !passed_over.is_empty() {
        note(&format!(
            "{passed_over} (only .txt, .md and .html are read from a folder)"
        ));
    }
}

fn note_unread_languages(unread: &UnreadLanguages) {
    if let Some((id, value)) = &unread.first {
        note(&format!(
            "`{}` is no language tag in {}, as in {id}: {value}; their language was detected",
            unread.field,
            count(unread.records, "record"),
        ));
    }
}

fn stages(config: &Config) -> Vec<StageName> {
    let dense = config.dense.as_ref().map(|_| StageName::DENSE);
    let cross = config.cross.as_ref().map(|_| StageName::CROSS);
    [StageName::BM25]
        .into_iter()
        .chain(dense)
        .chain(cross)
        .collect()
}

fn report_build(command: &Index, report: &BuildReport) {
    let total: Duration = report.steps.iter().map(|(_, elapsed)| *elapsed).sum();
    let steps: Vec<String> = report
        .steps
        .iter()
        .map(|(step, elapsed)| format!("{step} {:.1} s", elapsed.as_secs_f64()))
        .collect();
    say(&format!(
        "indexed {} into {}: {} in {:.1} s ({})",
        count(report.documents.into(), "document"),
        command.dir.display(),
        bytes(report.bytes),
        total.as_secs_f64(),
        steps.join(", "),
    ));
    for warning in &report.warnings {
        warn(warning);
    }
    note_passed_over(&report.passed_over);
    note_unread_languages(&report.unread_languages);
    let PassageCounts {
        passages,
        documents_split,
        most,
        titles_cut,
        title_tokens_cut,
    } = report.passages;
    if documents_split > 0 {
        note(&format!(
            "{} of them split into passages, at most {most} each: {} in all",
            count(documents_split.into(), "document"),
            count(passages.into(), "passage"),
        ));
    }
    if titles_cut > 0 {
        note(&format!(
            "{} too long to be read in front of every passage; {} of them left out there (BM25 has all)",
            count(titles_cut.into(), "title"),
            count(title_tokens_cut, "token"),
        ));
    }
    if report.passages_cut > 0 {
        let what = if documents_split > 0 {
            "passage"
        } else {
            "document"
        };
        note(&format!(
            "{} longer than the bi-encoder's maximal length; it did not read {} of them (BM25 has all; [passages] in the configuration splits long documents)",
            count(report.passages_cut.into(), what),
            count(report.tokens_cut, "token"),
        ));
    }
}
