//! `treffer explain`: one document's way through the stages, for one query.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::{Value, json};
use treffer_engine::explain::{
    ExplainRequest, Explanation, Fate, Part, Rescue, StageView, explain,
};
use treffer_types::{Query, StageName};

use crate::args::{Explain, Global, ReportFormat};
use crate::output::{Table, one_line};
use crate::progress::Bars;
use crate::{Outcome, source};

/// Explains; a document that is not found is no failure.
pub(crate) fn run(command: &Explain, global: &Global) -> Result<Outcome> {
    source::limit_threads(global)?;
    let steps = source::steps(command.step)?;
    let bars = Bars::new();
    let stages = command.how.stages.clone();
    let index = source::open_index(&command.dir, &command.how, stages, global, &bars)?;
    let profile = source::profile(index.settings(), &command.how)?;
    let request = ExplainRequest {
        profile: &profile,
        stages: command.how.stages.as_deref(),
        top_k: command.top_k,
        steps,
    };
    let query = Query::text(&command.query);
    let found = explain(&index, &request, &query, &command.doc)?;
    let mut out = io::stdout().lock();
    match command.format {
        ReportFormat::Table => write_table(&mut out, command, &found)?,
        ReportFormat::Json => writeln!(out, "{}", to_json(command, &found))?,
    }
    Ok(Outcome::Found)
}

fn write_table(out: &mut dyn Write, command: &Explain, found: &Explanation) -> io::Result<()> {
    let title = match found.title.as_str() {
        "" => String::new(),
        title => format!(" ({})", one_line(title, 60)),
    };
    writeln!(out, "{}{title}: {}", found.id, fate(command, found))?;
    let mut table = Table::default();
    table.row([
        "stage",
        "does",
        "rank",
        "of",
        "raw",
        "normalized",
        "weighted",
        "seen",
    ]);
    for view in &found.stages {
        table.row([
            view.stage.to_string(),
            does(view),
            view.rank.map_or("-".into(), |rank| rank.to_string()),
            view.n_ranked.to_string(),
            view.raw
                .map_or("-".into(), |raw| format!("{:.4}", raw.value())),
            view.fused
                .normalized
                .map_or("-".into(), |value| format!("{value:.4}")),
            format!("{:.4}", view.fused.weighted),
            if view.is_reached { "yes" } else { "no" }.into(),
        ]);
    }
    table.write(out)?;
    if found.learned != 0.0 {
        writeln!(
            out,
            "the trees of the learned fusion add {:+.4}",
            found.learned
        )?;
    }
    if let Fate::NotBroughtIn = found.fate {
        for view in &found.stages {
            if let Some(why) = why_not_brought_in(view) {
                writeln!(out, "{why}")?;
            }
        }
    }
    for (what, rescue) in rescues(found) {
        writeln!(out, "{what}: {}", rescued(command, rescue))?;
    }
    Ok(())
}

fn fate(command: &Explain, found: &Explanation) -> String {
    let Explanation {
        rank, n_candidates, ..
    } = found;
    let place = format!("rank {rank} of {n_candidates} candidates");
    let top = command.top_k;
    match &found.fate {
        Fate::Found => format!("{place}, within the first {top}"),
        Fate::NotBroughtIn => {
            format!("lost by the first stages: none brought it in (it would have {place})")
        }
        Fate::NotRead => format!(
            "{place}; lost before the cross-encoder, which read others: all it has read come first"
        ),
        Fate::Outweighed { by, deficit, last } => {
            let by = by.map_or("the trees", StageName::as_str);
            format!(
                "{place}; lost by {by}, which gives it {deficit:.4} less than {last} at rank {top}"
            )
        }
    }
}

fn does(view: &StageView) -> String {
    match view.part {
        Part::BringsIn(depth) => format!("brings in {depth}"),
        Part::Scores => "scores".into(),
        Part::Reads { depth, promise } => format!("reads {depth}, this as number {promise}"),
    }
}

fn why_not_brought_in(view: &StageView) -> Option<String> {
    let Part::BringsIn(depth) = view.part else {
        return None;
    };
    let stage = view.stage;
    Some(match view.rank {
        None => format!("{stage}: no word of the query occurs in it"),
        Some(rank) if rank as usize <= depth => {
            format!(
                "{stage}: rank {rank} is within {stage}_depth {depth}, but the graph did not lead to it; raise ef_search"
            )
        }
        Some(rank) => format!(
            "{stage}: rank {rank} is beyond {stage}_depth {depth}; {stage}_depth = {rank} would bring it in"
        ),
    })
}

/// What weights can do: as things stand, and if it were brought in and read, where
/// these are not the same.
fn rescues(found: &Explanation) -> Vec<(&'static str, &Rescue)> {
    let is_read = |view: &StageView| view.stage != StageName::Cross || view.is_reached;
    match &found.by_weights {
        None => vec![("brought in and read", &found.if_read)],
        Some(by_weights) if found.stages.iter().all(is_read) => vec![("other weights", by_weights)],
        Some(by_weights) => vec![
            ("other weights", by_weights),
            ("other weights, and read", &found.if_read),
        ],
    }
}

fn rescued(command: &Explain, rescue: &Rescue) -> String {
    let (n, top) = (rescue.n_points, command.top_k);
    match rescue.nearest {
        Some((weights, rank)) => format!(
            "{} of {n} weightings have it within the first {top}; nearest to the profile's: {weights} (rank {rank})",
            rescue.n_winning
        ),
        None => {
            let (weights, rank) = rescue.best;
            format!(
                "none of {n} weightings has it within the first {top}; best: {weights} (rank {rank})"
            )
        }
    }
}

fn to_json(command: &Explain, found: &Explanation) -> Value {
    let stages: Vec<Value> = found.stages.iter().map(view_json).collect();
    let (fate, lost_by) = match &found.fate {
        Fate::Found => ("found", Value::Null),
        Fate::NotBroughtIn => ("not brought in", Value::Null),
        Fate::NotRead => ("not read", json!("cross")),
        Fate::Outweighed { by, .. } => ("outweighed", json!(by.map_or("trees", StageName::as_str))),
    };
    let mut value = json!({
        "query": command.query,
        "id": found.id,
        "title": found.title,
        "fate": fate,
        "lost_by": lost_by,
        "rank": found.rank,
        "score": found.score,
        "n_candidates": found.n_candidates,
        "top_k": command.top_k,
        "stages": stages,
        "by_weights": found.by_weights.as_ref().map(rescue_json),
        "if_read": rescue_json(&found.if_read),
    });
    if found.learned != 0.0 {
        value["learned"] = json!(found.learned);
    }
    if let Fate::Outweighed { deficit, last, .. } = &found.fate {
        value["deficit"] = json!(deficit);
        value["last"] = json!(last);
    }
    value
}

fn view_json(view: &StageView) -> Value {
    let mut value = json!({
        "stage": view.stage,
        "seen": view.is_reached,
        "rank": view.rank,
        "of": view.n_ranked,
        "raw": view.raw,
        "normalized": view.fused.normalized,
        "weighted": view.fused.weighted,
    });
    match view.part {
        Part::BringsIn(depth) => value["depth"] = json!(depth),
        Part::Scores => {}
        Part::Reads { depth, promise } => {
            value["depth"] = json!(depth);
            value["promise"] = json!(promise);
        }
    }
    value
}

fn rescue_json(rescue: &Rescue) -> Value {
    let point = |(weights, rank): &(treffer_fusion::Weights, u32)| json!({ "weights": weights, "rank": rank });
    json!({
        "weightings": rescue.n_points,
        "winning": rescue.n_winning,
        "nearest": rescue.nearest.as_ref().map(point),
        "best": point(&rescue.best),
    })
}
