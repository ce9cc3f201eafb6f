//! `treffer judge`: judgments by the cross-encoder, marked as such.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use treffer_api::SearchOptions;
use treffer_corpus::MODEL_JUDGE;
use treffer_engine::judge::{JudgeRequest, Judgment, judge};
use treffer_engine::{Device, Engine};
use treffer_report::text::{count, count_queries};
use treffer_types::Grade;

use crate::options::{Global, QueryArgs, ReadArgs, at_least_one};
use crate::output::check_tab_column;
use crate::progress::Bars;
use crate::terminal::{note, say, visible, warn};
use crate::{Outcome, input, output, terminal};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The second column of the judgments is judge:MODEL, and eval, tune and compare warn of it: they
measure agreement with that model, not relevance.

Examples:
  treffer judge my-index --queries queries.jsonl --output pseudo.qrels
  treffer judge my-index --queries queries.jsonl --depth 20 --thresholds 0.5 > pseudo.qrels")]
pub(crate) struct Judge {
    /// Folder of the index
    dir: PathBuf,
    /// Queries: BEIR queries.jsonl, a table (id, text), TREC topics, or plain lines
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    #[command(flatten)]
    query_args: QueryArgs,
    #[command(flatten)]
    reading: ReadArgs,
    /// Do not judge the document with the query's id
    #[arg(long)]
    exclude_self: bool,
    /// File to write TREC qrels to [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    replace: bool,
    /// How many candidates of each query are judged
    #[arg(long, default_value = "100", value_name = "N", value_parser = at_least_one())]
    depth: usize,
    /// Probabilities (the sigmoid of the logit) from which on the grade is 1, 2, 3; for a
    /// model that gives grades, places from its lowest, 0, to its highest, 1
    /// [default: 0.5,0.9,0.99, or such a model's own grades]
    #[arg(long, value_delimiter = ',', value_name = "P,...")]
    thresholds: Option<Vec<f64>>,
    /// Profile of the index whose candidates are judged
    #[arg(long, default_value = "default", value_name = "NAME")]
    profile: String,
    /// Where models run: cpu, cuda or cuda:N [default: as the index's settings say]
    #[arg(long)]
    device: Option<Device>,
    /// Print what would be judged, and judge nothing
    #[arg(long)]
    dry_run: bool,
}

/// Judges the candidates of every query and writes the judgments.
pub(crate) fn run(command: &Judge, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    check_output(command)?;
    let bars = Bars::cancellable()?;
    let mut inputs = input::Inputs::new(&command.reading)?.stopped_by(&bars);
    let mut queries = inputs.queries(&command.queries, &command.query_args)?;
    inputs.finish()?;
    for query in &queries {
        check_tab_column(&query.id, "query id", FILE)?;
    }
    let engine = input::open_index(&command.dir, None, command.device, global, &bars)?;
    let profile = engine.profile(&SearchOptions {
        profile: command.profile.clone(),
        ..SearchOptions::default()
    })?;
    let model = model(&engine)?;
    input::exclude_self_if(command.exclude_self, &engine, &mut queries)?;
    if command.dry_run {
        let queries = count_queries(queries.len());
        let documents = count(command.depth as u64, "document");
        say(&format!(
            "would have {model} judge up to {documents} for each of {queries}"
        ));
        return Ok(Outcome::Found);
    }
    let request = JudgeRequest {
        profile: &profile,
        depth: command.depth,
        thresholds: command.thresholds.as_deref(),
    };
    let mut judgments = judge(&engine, &request, &queries, &bars)?;
    leave_out_unwritable(&mut judgments);
    match &command.output {
        None => terminal::print(|out| write(out, &judgments, &model))?,
        Some(path) => output::write_file(path, FILE, |out| write(out, &judgments, &model))?,
    }
    let grades = request.grades(&engine);
    report(command, queries.len(), &judgments, &model, grades);
    Ok(if judgments.is_empty() {
        Outcome::NothingFound
    } else {
        Outcome::Found
    })
}

/// What is written, as messages name it.
const FILE: &str = "the judgments";

/// Judgments that took people weeks are not to be lost by mistake.
fn check_output(command: &Judge) -> Result<()> {
    let Some(path) = &command.output else {
        return Ok(());
    };
    output::check_target(path, FILE)?;
    if !command.replace && !command.dry_run && path.is_file() {
        bail!(
            "{} exists already; pass --replace to overwrite it",
            path.display()
        );
    }
    Ok(())
}

/// The cross-encoder's name, without blanks, which would make two columns of it.
fn model(engine: &Engine) -> Result<String> {
    let Some(record) = &engine.manifest().models.cross else {
        bail!(
            "the index in {} has no cross-encoder to judge with; build one with --set cross.model=NAME",
            engine.dir().display()
        );
    };
    let words: Vec<&str> = record.spec.name.split_whitespace().collect();
    Ok(words.join("_"))
}

/// Leaves out what would break a line: the others took long.
fn leave_out_unwritable(judgments: &mut Vec<Judgment>) {
    let n_before = judgments.len();
    judgments.retain(
        |judgment| match check_tab_column(&judgment.doc, "document id", FILE) {
            Ok(()) => true,
            Err(error) => {
                say(&format!(
                    "skipped: {}",
                    visible(&error.to_string()).replace('\n', "\\n")
                ));
                false
            }
        },
    );
    let n_left_out = n_before - judgments.len();
    if n_left_out > 0 {
        warn(&format!(
            "{} left out",
            count(n_left_out as u64, "judgment")
        ));
    }
    let has_blank = |one: &&Judgment| {
        [&one.query, &one.doc]
            .into_iter()
            .any(|id| id.contains(char::is_whitespace))
    };
    if let Some(one) = judgments.iter().find(has_blank) {
        note(&format!(
            "ids hold blanks, as that of `{}` for {}: read by tabs, as Treffer does, these lines have four columns; programs that split at blanks cannot read them",
            one.doc, one.query
        ));
    }
}

/// Four columns with tabs between.
fn write(out: &mut dyn Write, judgments: &[Judgment], model: &str) -> Result<()> {
    for Judgment { query, doc, grade } in judgments {
        writeln!(out, "{query}\t{MODEL_JUDGE}{model}\t{doc}\t{grade}")?;
    }
    Ok(())
}

fn report(
    command: &Judge,
    n_queries: usize,
    judgments: &[Judgment],
    model: &str,
    grades: (Grade, Grade),
) {
    let (lowest, highest) = grades;
    // Every grade that could have been given; a model may name few out of many.
    let shown = (lowest..=highest).take(10);
    let mut by_grade: BTreeMap<Grade, u64> = shown.map(|grade| (grade, 0)).collect();
    let mut relevant: Vec<&str> = Vec::new();
    for judgment in judgments {
        *by_grade.entry(judgment.grade).or_default() += 1;
        if judgment.grade > 0 {
            relevant.push(&judgment.query);
        }
    }
    relevant.dedup(); // they come query by query
    let path = command.output.as_deref();
    let to = path.map_or("standard output".into(), |path: &Path| {
        path.display().to_string()
    });
    let grades: Vec<String> = by_grade
        .iter()
        .map(|(grade, n)| format!("{n} of grade {grade}"))
        .collect();
    say(&format!(
        "wrote {} by {model} to {to}: {}",
        count(judgments.len() as u64, "judgment"),
        grades.join(", ")
    ));
    let without = n_queries - relevant.len();
    if without > 0 {
        let queries = count_queries(without);
        note(&format!("{queries} without a relevant document"));
    }
}
