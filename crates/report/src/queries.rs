//! Query by query: which gained, which lost, and what each found.

use treffer_api::Hit;
use treffer_engine::gather::Gathered;
use treffer_engine::learned::Ranker;
use treffer_engine::search::{Shown, hits, ranking};
use treffer_types::{Candidate, Query, StageName};

use crate::bars::{signed_bar, skyline};
use crate::command::Command;
use crate::error::Error;
use crate::markup::{Element, Markup, el};
use crate::matches::matches;
use crate::page::{Cell, folded, paragraph, remark, table};
use crate::provenance::Experiment;
use crate::text::one_line;

/// What one query found, and how good that is.
#[derive(Clone, Debug)]
pub(crate) struct QueryResult<'a> {
    /// The query.
    pub(crate) query: &'a Query,
    /// Its value under what it is compared with.
    pub(crate) before: f64,
    /// Its value.
    pub(crate) after: f64,
    /// What it found, best first.
    pub(crate) hits: Vec<JudgedHit>,
    /// Relevant documents that are not among `hits`, the best judged first.
    pub(crate) missed: Vec<Missed>,
    /// The first hit with what late interaction found in it; `None` if that did not run.
    pub(crate) first: Option<Hit>,
}

/// A hit and its grade.
#[derive(Clone, Debug)]
pub(crate) struct JudgedHit {
    /// The hit, with every stage's score.
    pub(crate) hit: Hit,
    /// Its grade; `None` if nobody judged it.
    pub(crate) grade: Option<i32>,
}

/// A relevant document that is not among the hits shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missed {
    /// The corpus's id of it.
    pub(crate) id: String,
    /// Its grade.
    pub(crate) grade: i32,
    /// Its rank, if it was a candidate at all.
    pub(crate) rank: Option<usize>,
}

/// Characters of a query's text on the line that opens it.
const SUMMARY: usize = 140;
/// Hits shown for each query.
const HITS: usize = 10;
/// Relevant documents shown for each query that are not among its hits.
const MISSED: usize = 3;

impl<'a> QueryResult<'a> {
    /// The result of the query at a place, from what was gathered for it; without hits if
    /// there is no ranker.
    pub(crate) fn new(
        experiment: &Experiment<'a>,
        at: usize,
        gathered: &Gathered,
        ranker: Option<&Ranker>,
        (before, after): (f64, f64),
    ) -> Result<Self, Error> {
        let query = &experiment.topics.queries[at];
        let qrels = &experiment.topics.qrels;
        let mut result = QueryResult {
            query,
            before,
            after,
            hits: Vec::new(),
            missed: Vec::new(),
            first: None,
        };
        let Some(ranker) = ranker else {
            return Ok(result);
        };
        for hit in hits(
            experiment.engine,
            query,
            &gathered.candidates,
            ranker,
            HITS,
            Shown::EXPLAINED,
        )? {
            let grade = qrels.grade(&query.id, &hit.id);
            result.hits.push(JudgedHit { hit, grade });
        }
        result.first = first(experiment, query, &gathered.candidates, ranker)?;
        let ranking = ranking(experiment.engine, query, &gathered.candidates, ranker)?;
        let judged = qrels.query(&query.id).into_iter().flatten();
        for (id, grade) in judged.filter(|(_, grade)| **grade > 0) {
            let rank = ranking.iter().position(|doc| doc == id);
            if rank.is_none_or(|at| at >= HITS) {
                result.missed.push(Missed {
                    id: id.clone(),
                    grade: *grade,
                    rank: rank.map(|at| at + 1),
                });
            }
        }
        result
            .missed
            .sort_by_key(|missed| (-missed.grade, missed.rank.unwrap_or(usize::MAX)));
        result.missed.truncate(MISSED);
        Ok(result)
    }

    fn gain(&self) -> f64 {
        self.after - self.before
    }
}

fn first(
    experiment: &Experiment<'_>,
    query: &Query,
    candidates: &[Candidate],
    ranker: &Ranker,
) -> Result<Option<Hit>, Error> {
    let is_late = |one: &Candidate| one.is_scored_by(StageName::LATE);
    if !candidates.iter().any(is_late) {
        return Ok(None);
    }
    let shown = Shown::ALIGNED;
    let hits = hits(experiment.engine, query, candidates, ranker, 1, shown)?;
    Ok(hits.into_iter().next())
}

/// Gains and losses in the table before the rest is folded away, each.
const SHOWN: usize = 12;
/// Queries whose hits are shown: with more, half gained most and half lost most, so that
/// a report of thousands still opens.
const DETAILED: usize = 400;
/// Queries up to which their list is not folded.
const UNFOLDED: usize = 60;
/// Differences up to this are rounding.
const ROUNDING: f64 = 1e-12;

/// All gains and losses, largest first, with links to the queries. `before` and `after`
/// name the columns.
pub(crate) fn gains_and_losses(results: &[QueryResult<'_>], before: &str, after: &str) -> Markup {
    let sorted = sorted(results);
    let gains: Vec<f64> = sorted.iter().map(|(_, result)| result.gain()).collect();
    let n_gains = gains.iter().filter(|gain| **gain > ROUNDING).count();
    let n_losses = gains.iter().filter(|gain| **gain < -ROUNDING).count();
    let n_equal = gains.len() - n_gains - n_losses;
    let counts = format!("{n_gains} queries gain, {n_losses} lose, {n_equal} are unchanged.");
    let largest = gains
        .iter()
        .fold(0.0_f64, |most, gain| most.max(gain.abs()));
    let detailed = detailed(&sorted);
    let rows = |part: &[(usize, &QueryResult<'_>)]| -> Vec<Vec<Cell>> {
        let has_hits = |at: &usize| detailed.iter().any(|(place, _)| place == at);
        part.iter()
            .map(|(at, result)| gain_row(has_hits(at).then(|| anchor(*at)), result, largest))
            .collect()
    };
    let heads = ["query", before, after, "difference", "loss | gain"];
    let table = |part: &[(usize, &QueryResult<'_>)]| {
        let table = table(&heads, rows(part));
        el("div").class("even").add(table) // tables one above the other, with equal columns
    };
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "{counts} Each column is a query, sorted by its difference."
    )));
    body.push(skyline(&gains, &counts));
    let (best, worst) = (n_gains.min(SHOWN), n_losses.min(SHOWN));
    if best > 0 {
        body.push(el("h3").text("Largest gains"));
        body.push(table(&sorted[..best]));
    }
    if worst > 0 {
        let mut part = sorted[sorted.len() - worst..].to_vec();
        part.reverse();
        body.push(el("h3").text("Largest losses"));
        body.push(table(&part));
    }
    let middle = &sorted[best..sorted.len() - worst];
    if !middle.is_empty() {
        let summary = match best + worst {
            0 => format!("all {} queries", middle.len()),
            _ => format!("the other {} queries", middle.len()),
        };
        body.push(folded(summary, table(middle)));
    }
    body
}

/// All queries with their places, the largest gain first.
fn sorted<'s, 'a>(results: &'s [QueryResult<'a>]) -> Vec<(usize, &'s QueryResult<'a>)> {
    let mut sorted: Vec<_> = results.iter().enumerate().collect();
    sorted.sort_by(|(at, a), (other, b)| b.gain().total_cmp(&a.gain()).then(at.cmp(other)));
    sorted
}

/// Those of the sorted queries whose hits are shown in detail.
fn detailed<'s, 'a>(sorted: &[(usize, &'s QueryResult<'a>)]) -> Vec<(usize, &'s QueryResult<'a>)> {
    if sorted.len() <= DETAILED {
        return sorted.to_vec();
    }
    let (gains, losses) = (
        &sorted[..DETAILED / 2],
        &sorted[sorted.len() - DETAILED / 2..],
    );
    [gains, losses].concat()
}

fn gain_row(anchor: Option<String>, result: &QueryResult<'_>, largest: f64) -> Vec<Cell> {
    let shown = one_line(&result.query.text, 90);
    let link = match anchor {
        Some(anchor) => el("a").attr("href", format!("#{anchor}")).text(shown),
        None => el("span").text(shown),
    };
    let gain = if result.gain().abs() <= ROUNDING {
        0.0
    } else {
        result.gain()
    };
    vec![
        Cell::markup(link).class("wide"),
        Cell::number(format!("{:.4}", result.before)),
        Cell::number(format!("{:.4}", result.after)),
        Cell::number(format!("{gain:+.4}")),
        Cell::markup(signed_bar(gain, largest)),
    ]
}

/// Queries with their hits, folded, the largest gain first.
pub(crate) fn query_list(
    results: &[QueryResult<'_>],
    stages: &[StageName],
    metric: &str,
    explain: &Command,
) -> Markup {
    let sorted = sorted(results);
    let detailed = detailed(&sorted);
    let mut body = Markup::new();
    body.push(remark(
        "Largest gain first. Open a query for its hits, with each stage's raw score, and below it the stage's weighted part of the fused score and its own rank. \u{25cf} is judged relevant, \u{25cb} judged not relevant, a blank is not judged.",
    ));
    if detailed.len() < sorted.len() {
        body.push(remark(format!(
            "Shown are the {} of {} queries that gained and lost most.",
            detailed.len(),
            sorted.len()
        )));
    }
    let mut list = Markup::new();
    for (at, result) in &detailed {
        list.push(details(*at, result, stages, metric, explain));
    }
    if detailed.len() <= UNFOLDED {
        body.push(list);
    } else {
        body.push(folded(format!("all {} queries", detailed.len()), list));
    }
    body
}

fn details(
    at: usize,
    result: &QueryResult<'_>,
    stages: &[StageName],
    metric: &str,
    explain: &Command,
) -> Element {
    let query = result.query;
    let mut summary = el("summary")
        .add(el("strong").text(one_line(&query.text, SUMMARY)))
        .text(format!(
            "  \u{2014} {metric} {:.4} ({:+.4})",
            result.after,
            result.gain()
        ));
    if !query.tags.is_empty() {
        summary = summary.add(
            el("span")
                .class("soft")
                .text(format!("  {}", query.tags.join(", "))),
        );
    }
    let mut details = el("details").attr("id", anchor(at)).add(summary);
    details = details.add(remark(format!("query {}", query.id)));
    if query.text.chars().count() > SUMMARY {
        details = details.add(el("p").text(&query.text));
    }
    details = if result.hits.is_empty() {
        details.add(paragraph("Nothing was found."))
    } else {
        details.add(hits_table(result, stages))
    };
    if let Some(matches) = result.first.as_ref().and_then(matches) {
        details = details.add(matches);
    }
    if !result.missed.is_empty() {
        details = details.add(el("h3").text("Relevant, but not among these hits"));
        for missed in &result.missed {
            let place = match missed.rank {
                Some(rank) => format!("at rank {rank}"),
                None => "not retrieved".to_owned(),
            };
            let said = format!("{} (grade {}), {place}:", missed.id, missed.grade);
            details = details
                .add(paragraph(said))
                .add(explain.explaining(&query.text, &missed.id));
        }
    }
    if let Some(first) = result.hits.first() {
        details = details
            .add(paragraph("Why the first hit ranks where it does:"))
            .add(explain.explaining(&query.text, &first.hit.id));
    }
    details
}

fn hits_table(result: &QueryResult<'_>, stages: &[StageName]) -> Markup {
    let mut heads = vec!["judged", "rank", "document", "title", "fused"];
    heads.extend(stages.iter().map(treffer_types::StageName::as_str));
    let rows = result.hits.iter().map(|JudgedHit { hit, grade }| {
        let judged = match grade {
            Some(grade) if *grade > 0 => format!("\u{25cf} {grade}"),
            Some(grade) => format!("\u{25cb} {grade}"),
            None => String::new(),
        };
        let title = if hit.title.is_empty() {
            &hit.text
        } else {
            &hit.title
        };
        let mut row = vec![
            Cell::word(judged),
            Cell::number(hit.rank),
            Cell::text(&hit.id).class("id"),
            Cell::text(one_line(title, 60)),
            Cell::number(format!("{:.4}", hit.score)),
        ];
        row.extend(stages.iter().map(|stage| {
            let score = hit.stages.get(*stage).copied().unwrap_or_default();
            let (raw, below) = match (score.raw, score.rank) {
                (Some(raw), Some(rank)) => (
                    format!("{:.3}", raw.value()),
                    format!("{:.3}, rank {rank}", score.weighted),
                ),
                _ => ("not scored".into(), format!("{:.3}", score.weighted)),
            };
            let mut shown = crate::markup::text(raw);
            shown.push(el("span").class("below").text(below));
            Cell::markup(shown).class("n")
        }));
        row
    });
    table(&heads, rows.collect())
}

/// Ids of queries may hold anything, so links go by place.
fn anchor(at: usize) -> String {
    format!("query-{}", at + 1)
}
