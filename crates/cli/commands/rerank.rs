//! `treffer rerank`: a foreign run in the order that the cross-encoder gives it.

use std::collections::HashMap;

use anyhow::Result;
use treffer_engine::rerank::{Reranked, rerank};
use treffer_types::StageName;

use crate::args::{Global, How, Rerank};
use crate::output::count;
use crate::progress::Bars;
use crate::{Outcome, source};

/// Reads the run's documents and writes the run anew.
pub(crate) fn run(command: &Rerank, global: &Global) -> Result<Outcome> {
    source::limit_threads(global)?;
    let lines = source::run_lines(&command.run)?;
    let run = source::run_in(&lines, &command.run)?;
    let queries = source::queries(&command.queries)?;
    let bars = Bars::cancellable()?;
    let how = How {
        profile: "default".into(), // not looked at: nothing is gathered or fused
        stages: None,
        weights: None,
        overrides: Vec::new(),
        device: command.device,
    };
    let cross = Some(vec![StageName::Cross]);
    let index = source::open_index(&command.dir, &how, cross, global, &bars)?;
    let reranked = rerank(&index, &run, &queries, command.depth, &bars)?;
    tell(command, &reranked, &lines);
    source::write_run_to(command.output.as_deref(), &reranked.run, &command.tag)?;
    match reranked.run.0.is_empty() {
        true => Ok(Outcome::NothingFound),
        false => Ok(Outcome::Found),
    }
}

/// Documents that the index does not hold are listed up to this many.
const UNKNOWN_SHOWN: usize = 10;

fn tell(command: &Rerank, reranked: &Reranked, lines: &[u8]) {
    let path = command.run.display();
    let unknown = &reranked.unknown;
    if !unknown.is_empty() {
        let numbers = line_numbers(lines);
        for (query, doc) in unknown.iter().take(UNKNOWN_SHOWN) {
            let line = numbers.get(&(query.as_str(), doc.as_str()));
            let line = line.map_or_else(String::new, |line| format!(":{line}"));
            eprintln!("skipped: {path}{line}: document `{doc}` is not in the index");
        }
        let documents = count(unknown.len() as u64, "document");
        eprintln!("note: {documents} of {path} not in the index: left out");
    }
    let say = |n: usize, what: &str| {
        if n > 0 {
            eprintln!("note: {} {what}", source::queries_counted(n));
        }
    };
    let without_text = reranked.without_text.len();
    let given = command.queries.display();
    say(without_text, &format!("of {path} not in {given}: left out"));
    say(reranked.not_in_run, &format!("of {given} not in {path}"));
    let read = count(reranked.n_read as u64, "document");
    let queries = source::queries_counted(reranked.run.0.len());
    eprintln!("note: read {read} for {queries}");
}

/// The first line of each query's documents, from 1.
fn line_numbers(lines: &[u8]) -> HashMap<(&str, &str), u64> {
    let mut numbers = HashMap::new();
    for (number, line) in (1_u64..).zip(lines.split(|byte| *byte == b'\n')) {
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        let mut columns = line.split_whitespace();
        if let (Some(query), Some(doc)) = (columns.next(), columns.nth(1)) {
            numbers.entry((query, doc)).or_insert(number);
        }
    }
    numbers
}
