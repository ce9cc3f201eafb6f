//! `treffer analyze`: what becomes of a text in BM25, step by step.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use treffer_corpus::{Problem, Stop};
use treffer_engine::build::read_pieces;
use treffer_engine::config::{Base, Config};
use treffer_engine::{Detection, Form, Language, TextAnalysis, Trace};
use treffer_types::StageName;

use crate::format::{Block, Blocks, Columns, ResultFormat};
use crate::options::Global;
use crate::problems::Problems;
use crate::progress::Bars;
use crate::terminal::note;
use crate::{Outcome, input};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Compounds are cut into words of an index, so that without --index they are shown whole, or cut
into the words of `bm25.words` if that is set.

Examples:
  treffer analyze 'Die Laborkühlschränke LABO-288' --index my-index
  treffer analyze 'the refrigerators of 280 liters' --analyzer english")]
pub(crate) struct Analyze {
    /// The text
    text: String,
    /// As in this index: its analyzer, and its words for compounds
    #[arg(long, value_name = "DIR", conflicts_with_all = ["preset", "config", "overrides", "analyzer"])]
    index: Option<PathBuf>,
    /// As in an index of this shipped configuration: english, german, multilingual, fast or quick
    #[arg(long, default_value = "english", conflicts_with = "config")]
    preset: String,
    /// As in an index of a configuration file of your own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The analyzer: english, german, mixed or plain [default: as configured]
    #[arg(long, value_name = "NAME")]
    analyzer: Option<String>,
    /// Set a single key on top, as in bm25.fold_accents=false
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: ResultFormat,
}

/// Shows the steps; a text without a word is one, too.
pub(crate) fn run(command: &Analyze, global: &Global) -> Result<Outcome> {
    let trace = match &command.index {
        Some(dir) => {
            let stages = Some(vec![StageName::BM25]);
            let engine = input::open_index(dir, stages, None, global, &Bars::new())?;
            engine.analyze(&command.text)?
        }
        None => without_index(command)?,
    };
    command.format.print(&Analyzed {
        text: &command.text,
        margin: trace.detection.margin(),
        trace: &trace,
    })?;
    Ok(Outcome::Found)
}

/// Reads the list of words, if the configuration has one. Bad lines are reported.
fn without_index(command: &Analyze) -> Result<Trace> {
    let config = config(command)?.bm25;
    let mut problems = Problems::new(None)?;
    let mut report = |problem: Problem| problems.add(&problem, &note);
    let pieces = read_pieces(&config, &Stop::default(), &mut report)?;
    problems.end_input("bad line", config.words.as_deref());
    problems.finish()?;
    let analysis = TextAnalysis::new(&config)?.with_pieces(pieces);
    Ok(analysis.trace(&command.text))
}

fn config(command: &Analyze) -> Result<Config> {
    let base = match &command.config {
        Some(path) => Base::File(path),
        None => Base::Preset(&command.preset),
    };
    let analyzer = command.analyzer.as_ref();
    let mut overrides = command.overrides.clone();
    overrides.extend(analyzer.map(|name| format!("bm25.analyzer={name}")));
    Ok(Config::load(base, &overrides)?)
}

/// A text and its way through the chain.
#[derive(Serialize)]
struct Analyzed<'a> {
    text: &'a str,
    /// By how much of all words one language's function words outnumber the other's.
    margin: f32,
    #[serde(flatten)]
    trace: &'a Trace,
}

impl Blocks for Analyzed<'_> {
    fn blocks(&self) -> Vec<Block> {
        let Trace {
            detection,
            as_document,
            as_query,
            characters,
            runs,
            words,
            length,
        } = self.trace;
        let mut head = Columns::default();
        head.row(["language".to_owned(), language(detection, self.margin)]);
        if as_document == as_query {
            head.row(["analyzed as".to_owned(), names(as_document)]);
        } else {
            head.row(["document as".to_owned(), names(as_document)]);
            head.row(["query as".to_owned(), names(as_query)]);
        }
        head.row(["characters", characters.as_str()]);
        let runs: Vec<&str> = runs.iter().map(|run| run.text.as_str()).collect();
        head.row(["runs".to_owned(), runs.join(" | ")]);
        head.row(["length".to_owned(), length.to_string()]);
        let mut table = Columns::default();
        table.row([
            "word",
            "length",
            "a document is found by",
            "a query asks for",
        ]);
        for word in words {
            let indexed = word.indexed.iter().map(|term| match term.role {
                "piece" => format!("+{}", term.term),
                _ => term.term.clone(),
            });
            let joined = |form: &Form| form.terms.join(" + ");
            let (indexed, asked) = if word.dropped {
                ("(dropped)".to_owned(), String::new())
            } else {
                let indexed: Vec<String> = indexed.collect();
                let [asked, negated] = [&word.asked, &word.negated].map(|forms| {
                    let forms: Vec<String> = forms.iter().map(joined).collect();
                    forms.join(", or ")
                });
                let asked = match negated.as_str() {
                    "" => asked,
                    negated => format!("{asked}, and {negated}"),
                };
                (indexed.join(" "), asked)
            };
            table.row([
                word.written.clone(),
                word.length.to_string(),
                indexed,
                asked,
            ]);
        }
        let mut blocks = vec![Block::Columns(head)];
        if !words.is_empty() {
            blocks.extend([Block::Line(String::new()), Block::Columns(table)]);
        }
        blocks
    }
}

/// The language and what speaks for it.
fn language(detection: &Detection, margin: f32) -> String {
    let Detection {
        language,
        words,
        german,
        english,
        letters,
    } = *detection;
    let name = language.map_or("unsure", name);
    let letters = letters.map_or_else(String::new, |language| {
        format!("; by its letters {}", self::name(language))
    });
    format!(
        "{name} (of {words} words, {german} German and {english} English function words, margin {margin:.2}{letters})"
    )
}

fn name(language: Language) -> &'static str {
    match language {
        Language::German => "German",
        Language::English => "English",
        Language::Other => "another",
    }
}

fn names(languages: &[Language]) -> String {
    let names: Vec<&str> = languages.iter().map(|language| name(*language)).collect();
    match names.as_slice() {
        ["another"] => "a language without stop words and endings".to_owned(),
        names => names.join(" and "),
    }
}
