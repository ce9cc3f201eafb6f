//! `treffer search`: queries to hits.

use std::io::{self, BufWriter, Write};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use treffer_engine::config::Settings;
use treffer_engine::index::names;
use treffer_engine::manifest::SETTINGS;
use treffer_engine::search::{SearchRequest, SearchResult, Searcher};
use treffer_eval::{Run, RunEntry, write_run};
use treffer_types::{Hit, Query, StageName, StageTrace};

use crate::args::{Global, Search, SearchFormat};
use crate::cuts::Cuts;
use crate::output::{Table, one_line};
use crate::progress::Bars;
use crate::{Outcome, source};

/// Answers one query or a file of them.
pub(crate) fn run(command: &Search, global: &Global) -> Result<Outcome> {
    source::limit_threads(global)?;
    let queries = match (&command.query, &command.queries) {
        (Some(text), _) => vec![Query::text(text)],
        (None, Some(path)) => source::queries(path)?,
        (None, None) => Vec::new(), // clap asks for one of them
    };
    let bars = Bars::new();
    let index = source::open_index(
        &command.dir,
        &command.how,
        stages_to_open(command)?,
        global,
        &bars,
    )?;
    refuse_idle_weights(command, index.stages())?;
    let profile = source::profile(index.settings(), &command.how)?;
    let request = SearchRequest {
        profile: &profile,
        stages: command.how.stages.as_deref(),
        top_k: command.top_k,
    };
    let searcher = Searcher::new(&index, request)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut outcome = Outcome::NothingFound;
    let mut cuts = Cuts::default();
    for query in &queries {
        let result = searcher.search(query)?;
        cuts.add(&result.traces);
        if !result.hits.is_empty() {
            outcome = Outcome::Found;
        }
        match command.format {
            SearchFormat::Table => write_table(&mut out, command, query, &result)?,
            SearchFormat::Json => writeln!(out, "{}", to_json(command, query, &result))?,
            SearchFormat::Trec => write_run(&mut out, &to_run(query, result.hits), "treffer")?,
        }
    }
    out.flush()?;
    cuts.tell(&profile);
    Ok(outcome)
}

/// Weights that were asked for must weigh something that runs.
fn refuse_idle_weights(command: &Search, stages: &[StageName]) -> Result<()> {
    match command.how.weights {
        Some(weights) if stages.iter().all(|stage| weights.weight(*stage) == 0.0) => {
            bail!(
                "--weights {weights} gives nothing to what runs here: {}",
                names(stages)
            )
        }
        _ => Ok(()),
    }
}

/// The stages whose models are needed; a cross-encoder without weight is not.
fn stages_to_open(command: &Search) -> Result<Option<Vec<StageName>>> {
    if command.how.stages.is_some() {
        return Ok(command.how.stages.clone());
    }
    let manifest = treffer_engine::manifest::Manifest::read(&command.dir)?;
    let settings = Settings::read(&command.dir.join(SETTINGS))?;
    let profile = source::profile(&settings, &command.how)?;
    Ok(Some(
        profile.stages_with_effect(&manifest.blueprint.stages()),
    ))
}

fn write_table(
    out: &mut dyn Write,
    command: &Search,
    query: &Query,
    result: &SearchResult,
) -> io::Result<()> {
    if command.queries.is_some() {
        writeln!(out, "{}: {}", query.id, one_line(&query.text, 90))?;
    }
    if result.hits.is_empty() {
        writeln!(out, "nothing found")?;
    }
    for hit in &result.hits {
        let title = if hit.title.is_empty() {
            &hit.text
        } else {
            &hit.title
        };
        writeln!(
            out,
            "{:>3}  {:.4}  {}  {}",
            hit.rank,
            hit.score,
            hit.id,
            one_line(title, 80)
        )?;
        if command.explain {
            explain(out, hit)?;
        } else if !hit.title.is_empty() && !hit.text.is_empty() {
            writeln!(out, "{:>13}{}", "", one_line(&hit.text, 100))?;
        }
    }
    if command.timings {
        write_timings(out, result)?;
    }
    if command.queries.is_some() {
        writeln!(out)?;
    }
    Ok(())
}

/// How a hit came to its score, a line for each stage.
fn explain(out: &mut dyn Write, hit: &Hit) -> io::Result<()> {
    let mut table = Table::default();
    table.row([
        "             stage",
        "raw",
        "normalized",
        "weighted",
        "rank",
    ]);
    for (stage, score) in hit.stages.iter() {
        let Some(raw) = score.raw else {
            let why = if score.weighted == 0.0 {
                "not run"
            } else {
                "not read"
            };
            table.row([
                format!("             {stage}"),
                "-".into(),
                "-".into(),
                format!("{:.4}", score.weighted),
                why.into(),
            ]);
            continue;
        };
        table.row([
            format!("             {stage}"),
            format!("{:.4}", raw.value()),
            score
                .normalized
                .map_or("-".into(), |value| format!("{value:.4}")),
            format!("{:.4}", score.weighted),
            score.rank.map_or("-".into(), |rank| rank.to_string()),
        ]);
    }
    table.write(out)?;
    explain_trees(out, hit)?;
    let cut = match hit.tokens_cut {
        0 => String::new(),
        n => format!(" (the cross-encoder did not read its last {n} tokens)"),
    };
    writeln!(
        out,
        "{:>13}passage {}{cut}: {}",
        "",
        hit.passage.passage,
        one_line(&hit.text, 100)
    )
}

/// What the features of a learned fusion did, the strongest first.
fn explain_trees(out: &mut dyn Write, hit: &Hit) -> io::Result<()> {
    if hit.learned.is_empty() {
        return Ok(());
    }
    let (named, rest) = hit.learned.split_at(hit.learned.len().min(MAX_FEATURES));
    let value = |value: Option<f32>| value.map_or(String::new(), |value| format!(" {value}"));
    let mut parts: Vec<String> = named
        .iter()
        .map(|one| format!("{}{} {:+.4}", one.feature, value(one.value), one.part))
        .collect();
    if !rest.is_empty() {
        let sum: f64 = rest.iter().map(|one| one.part).sum();
        parts.push(format!("{} more {sum:+.4}", rest.len()));
    }
    let total: f64 = hit.learned.iter().map(|one| one.part).sum();
    writeln!(out, "{:>13}trees {total:+.4}: {}", "", parts.join(", "))
}

/// Features of a learned fusion that are named on a terminal.
const MAX_FEATURES: usize = 5;

fn write_timings(out: &mut dyn Write, result: &SearchResult) -> io::Result<()> {
    let mut table = Table::default();
    table.row(["stage", "ms", "candidates before", "after", "scored"]);
    for trace in &result.traces {
        table.row([
            trace.stage.to_string(),
            format!("{:.2}", trace.elapsed.as_secs_f64() * 1e3),
            trace.candidates_in.to_string(),
            trace.candidates_out.to_string(),
            match trace.skipped {
                0 => trace.scored.to_string(),
                skipped => format!("{} of {}", trace.scored, trace.scored + skipped),
            },
        ]);
    }
    table.write(out)
}

fn to_json(command: &Search, query: &Query, result: &SearchResult) -> Value {
    let hits: Vec<Value> = result
        .hits
        .iter()
        .map(|hit| hit_json(command, hit))
        .collect();
    let stages: Vec<Value> = result
        .traces
        .iter()
        .map(|trace| trace_json(command, trace))
        .collect();
    json!({
        "query": { "id": query.id, "text": query.text },
        "n_candidates": result.n_candidates,
        "stages": stages,
        "hits": hits,
    })
}

fn hit_json(command: &Search, hit: &Hit) -> Value {
    let mut value = json!(hit);
    if let (Value::Object(fields), false) = (&mut value, command.explain) {
        fields.shift_remove("stages");
        fields.shift_remove("learned");
        fields.shift_remove("tokens_cut");
        fields.shift_remove("passage");
    }
    value
}

fn trace_json(command: &Search, trace: &StageTrace) -> Value {
    let mut value = json!({
        "stage": trace.stage,
        "candidates_in": trace.candidates_in,
        "candidates_out": trace.candidates_out,
        "scored": trace.scored,
    });
    if trace.skipped > 0 {
        value["to_score"] = json!(trace.scored + trace.skipped);
        value["cut_by_deadline"] = json!(true);
    }
    if command.timings {
        value["ms"] = json!(trace.elapsed.as_secs_f64() * 1e3);
    }
    value
}

fn to_run(query: &Query, hits: Vec<Hit>) -> Run {
    let id = if query.id.is_empty() {
        "1".to_string()
    } else {
        query.id.clone()
    };
    let entries = hits.into_iter().map(|hit| RunEntry {
        doc: hit.id,
        score: hit.score,
    });
    Run::from_rankings([(id, entries.collect())])
}
