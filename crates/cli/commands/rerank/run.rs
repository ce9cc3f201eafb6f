//! A run of any program over the documents of an index, written anew.

use std::path::Path;

use anyhow::Result;
use treffer_corpus::Rankings;
use treffer_engine::Engine;
use treffer_engine::rerank::{Reranked, rerank};
use treffer_engine::runs::run_of;
use treffer_report::text::{count, count_queries};
use treffer_types::{Query, StageName};

use super::Rerank;
use crate::options::Global;
use crate::progress::Bars;
use crate::terminal::{note, say};
use crate::{Outcome, input, output};

/// What this form of the command needs.
pub(super) struct Given<'a> {
    /// Folder of the index.
    pub(super) dir: &'a Path,
    pub(super) run: &'a Path,
    pub(super) queries: &'a Path,
}

/// Has the run's documents scored and writes the run anew.
pub(super) fn run(command: &Rerank, given: &Given<'_>, global: &Global) -> Result<Outcome> {
    let options = &command.with_index;
    input::limit_threads(global)?;
    output::check_column(&options.tag, "tag", "a run")?;
    if let Some(path) = &options.output {
        output::check_target(path, "the run")?;
    }
    let bars = Bars::cancellable()?;
    let mut inputs = input::Inputs::new(&command.reading)?.stopped_by(&bars);
    let rankings = inputs.rankings(given.run)?;
    let mut queries = inputs.queries(given.queries, &options.query_args)?;
    inputs.finish()?;
    let cross = Some(vec![StageName::CROSS]);
    let engine = input::open_index(given.dir, cross, command.device, global, &bars)?;
    input::exclude_self_if(options.exclude_self, &engine, &mut queries)?;
    check_ids(&engine, &rankings, &queries)?;
    let run = run_of(rankings.clone());
    let reranked = rerank(&engine, &run, &queries, options.depth, &bars)?;
    report(given, &reranked, &rankings);
    output::write_run_to(options.output.as_deref(), &reranked.run, &options.tag)?;
    Ok(if reranked.run.0.is_empty() {
        Outcome::NothingFound
    } else {
        Outcome::Found
    })
}

/// Fails if what is to be written could not be, before the cross-encoder reads it. Ids between tabs
/// may hold blanks, but a run is written with blanks between its columns.
fn check_ids(engine: &Engine, rankings: &Rankings, queries: &[Query]) -> Result<()> {
    for query in queries {
        let Some(documents) = rankings.get(&query.id) else {
            continue;
        };
        output::check_column(&query.id, "query id", "a run")?;
        for document in documents {
            // What the index does not hold is left out.
            if let Err(error) = output::check_column(&document.doc, "document id", "a run")
                && engine.find(&document.doc)?.is_some()
            {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Documents that the index does not hold are listed up to this many.
const UNKNOWN_SHOWN: usize = 10;

fn report(given: &Given<'_>, reranked: &Reranked, rankings: &Rankings) {
    let path = given.run.display();
    let unknown = &reranked.unknown;
    if !unknown.is_empty() {
        for (query, doc) in unknown.iter().take(UNKNOWN_SHOWN) {
            let mut documents = rankings.get(query).into_iter().flatten();
            let document = documents.find(|document| document.doc == *doc);
            let line = document.map_or_else(String::new, |found| format!(":{}", found.line));
            say(&format!(
                "skipped: {path}{line}: document `{doc}` is not in the index"
            ));
        }
        let documents = count(unknown.len() as u64, "document");
        note(&format!("{documents} of {path} not in the index: left out"));
    }
    let note_of = |n: usize, what: &str| {
        if n > 0 {
            note(&format!("{} {what}", count_queries(n)));
        }
    };
    let without_text = reranked.without_text.len();
    let queries_file = given.queries.display();
    note_of(
        without_text,
        &format!("of {path} not in {queries_file}: left out"),
    );
    note_of(
        reranked.not_in_run,
        &format!("of {queries_file} not in {path}"),
    );
    let scored = count(reranked.n_scored as u64, "document");
    let queries = count_queries(reranked.run.0.len());
    note(&format!("scored {scored} for {queries}"));
}
