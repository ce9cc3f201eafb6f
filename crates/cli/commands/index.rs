//! `treffer index`: corpus to index.

use std::path::PathBuf;

use anyhow::Result;
use treffer::StandardModels;
use treffer_corpus::{Problem, ReadOptions};
use treffer_engine::build::{BuildRequest, Survey, WriteReport, build, infer_fields, survey};
use treffer_engine::config::{Base, Config};
use treffer_engine::fields::{Decision, FieldType, InferredField};
use treffer_engine::settings_file::read_both;
use treffer_report::text::count;
use treffer_types::{StageName, stage_list};

use crate::corpus::{CorpusArgs, at_least_one_document, note_passed_over, note_written, times};
use crate::options::Global;
use crate::problems::Problems;
use crate::progress::Bars;
use crate::terminal::{bytes, note, say};
use crate::{Outcome, input};

#[derive(Debug, clap::Args)]
pub(crate) struct Index {
    /// Folder of the index
    dir: PathBuf,
    /// Start from a shipped configuration: english, german, multilingual, fast or quick
    #[arg(long, default_value = "english", conflicts_with = "config")]
    preset: String,
    /// Start from a configuration file of your own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a single key on top, as in dense.model=./my-model
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Read the first 1,000 documents of each input for the fields that they have, give these
    /// types, and print them; those of the configuration stay as they are
    #[arg(long)]
    infer_fields: bool,
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Replace the index that is there; it stays until the new one is complete
    #[arg(long)]
    replace: bool,
    /// Commit after every N documents, so that an interrupted command goes on from there when it
    /// is given again
    #[arg(long, value_name = "N", value_parser = at_least_one_document(), conflicts_with = "replace")]
    commit_every: Option<u32>,
    /// Read and check everything, write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Builds an index, or with `--dry-run` prints what would go into it.
pub(crate) fn run(command: &Index, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    let base = match &command.config {
        Some(path) => Base::File(path),
        None => Base::Preset(&command.preset),
    };
    let mut config = Config::load(base, &command.overrides)?;
    let bars = Bars::cancellable()?;
    let reading = command.corpus.options(&bars);
    if command.infer_fields {
        infer(&mut config, &command.corpus.inputs, &reading, &bars)?;
    }
    let request = BuildRequest {
        dir: &command.dir,
        inputs: &command.corpus.inputs,
        vectors: command.corpus.vectors.as_deref(),
        reading: &reading,
        config: &config,
        replace: command.replace,
        strict: command.corpus.strict,
        commit_every: command.commit_every,
    };
    let mut problems = Problems::new(command.corpus.reading.problems.as_deref())?;
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

/// Documents of each input that are looked at for fields.
const SAMPLE: usize = 1000;

/// Adds the fields that the documents have to the configuration, and prints them as it would hold
/// them.
fn infer(
    config: &mut Config,
    inputs: &[PathBuf],
    reading: &ReadOptions,
    bars: &Bars,
) -> Result<()> {
    let sample = infer_fields(inputs, reading, SAMPLE, bars)?;
    let mut fields = sample.schema;
    for (name, field_type) in config.fields.iter() {
        fields.insert(name, field_type);
    }
    bars.say(&format!(
        "fields of {}:\n[fields]",
        count(sample.documents as u64, "document")
    ));
    for (name, field_type) in config.fields.iter() {
        if sample.fields.iter().all(|field| field.name != name) {
            bars.say(&format!("{}  # as configured", toml_line(name, field_type)));
        }
    }
    for field in &sample.fields {
        let InferredField { name, decision, .. } = field;
        let documents = count(field.n_docs as u64, "document");
        bars.say(&match (config.fields.get(name), decision.field_type()) {
            (Some(field_type), _) => {
                format!(
                    "{}  # in {documents}; as configured",
                    toml_line(name, field_type)
                )
            }
            (None, Some(field_type)) => {
                let why = match decision {
                    Decision::Mixed { .. } => format!("; {decision}"),
                    _ => String::new(),
                };
                format!("{}  # in {documents}{why}", toml_line(name, field_type))
            }
            (None, None) => format!("# {name}, in {documents}, {decision}"),
        });
    }
    if fields.is_empty() {
        note("no field was found that filters could use");
    }
    config.fields = fields;
    Ok(())
}

/// The line of a configuration that gives a field its type.
fn toml_line(name: &str, field_type: FieldType) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        format!("{name} = \"{field_type}\"")
    } else {
        format!("{} = \"{field_type}\"", serde_json::json!(name))
    }
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

fn stages(config: &Config) -> Vec<StageName> {
    let dense = config.dense.as_ref().map(|_| StageName::DENSE);
    let late = config.late.as_ref().map(|_| StageName::LATE);
    let cross = config.cross.as_ref().map(|_| StageName::CROSS);
    [StageName::BM25]
        .into_iter()
        .chain(dense)
        .chain(late)
        .chain(cross)
        .collect()
}

fn report_build(command: &Index, report: &WriteReport) {
    say(&format!(
        "indexed {} into {}: {} in {}",
        count(report.documents.into(), "document"),
        command.dir.display(),
        bytes(report.bytes),
        times(&report.steps),
    ));
    if report.resumed > 0 {
        note(&format!(
            "{} of them committed before the command was interrupted",
            count(report.resumed.into(), "document")
        ));
    }
    note_written(report);
}
