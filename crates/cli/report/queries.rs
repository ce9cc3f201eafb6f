//! Query by query: who gained, who lost, and what each was answered.

use anyhow::Result;
use treffer_engine::gather::Gathered;
use treffer_engine::learned::Ranker;
use treffer_engine::search::{hits, ranking};
use treffer_types::{Hit, Query, StageName};

use super::bars::{signed_bar, skyline};
use super::command::Command;
use super::markup::{Element, Markup, el};
use super::page::{Cell, folded, paragraph, remark, table};
use super::provenance::Origin;
use crate::output::one_line;

/// One query's part in a report.
#[derive(Clone, Debug)]
pub(super) struct Story<'a> {
    /// The query.
    pub(super) query: &'a Query,
    /// Its value under what it is compared with.
    pub(super) before: f64,
    /// Its value.
    pub(super) after: f64,
    /// What it was answered, best first.
    pub(super) hits: Vec<Answer>,
    /// Relevant documents that are not among `hits`, the best judged first.
    pub(super) missed: Vec<Missed>,
}

/// A hit and its grade; `None` where nobody judged it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The hit, with every stage's score.
    pub(super) hit: Hit,
    /// What people said of it.
    pub(super) grade: Option<i32>,
}

/// A relevant document that is not among the hits shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    /// The corpus's name of it.
    pub(super) id: String,
    /// What people said of it.
    pub(super) grade: i32,
    /// Its rank, if it was a candidate at all.
    pub(super) rank: Option<usize>,
}

/// Characters of a query's text on the line that opens it.
const SUMMARY: usize = 140;
/// Hits shown for each query.
const HITS: usize = 10;
/// Relevant documents shown for each query that are not among its hits.
const MISSED: usize = 3;

impl<'a> Story<'a> {
    /// The story of the query at a place, from what was gathered for it. Without a
    /// ranker there are no hits to tell of.
    pub(super) fn new(
        origin: &Origin<'a>,
        at: usize,
        gathered: &Gathered,
        ranker: Option<&Ranker>,
        (before, after): (f64, f64),
    ) -> Result<Self> {
        let query = &origin.topics.queries[at];
        let qrels = &origin.topics.qrels;
        let mut story = Story {
            query,
            before,
            after,
            hits: Vec::new(),
            missed: Vec::new(),
        };
        let Some(ranker) = ranker else {
            return Ok(story);
        };
        for hit in hits(origin.index, query, &gathered.candidates, ranker, HITS)? {
            let grade = qrels.grade(&query.id, &hit.id);
            story.hits.push(Answer { hit, grade });
        }
        let ranking = ranking(origin.index, query, &gathered.candidates, ranker)?;
        let judged = qrels.query(&query.id).into_iter().flatten();
        for (id, grade) in judged.filter(|(_, grade)| **grade > 0) {
            let rank = ranking.iter().position(|doc| doc == id);
            if rank.is_none_or(|at| at >= HITS) {
                story.missed.push(Missed {
                    id: id.clone(),
                    grade: *grade,
                    rank: rank.map(|at| at + 1),
                });
            }
        }
        story
            .missed
            .sort_by_key(|missed| (-missed.grade, missed.rank.unwrap_or(usize::MAX)));
        story.missed.truncate(MISSED);
        Ok(story)
    }

    fn gain(&self) -> f64 {
        self.after - self.before
    }
}

/// Gains and losses in the table before the rest is folded away, each.
const SHOWN: usize = 12;
/// Queries whose hits are shown: with more, half gained most and half lost most, so that
/// a report of thousands still opens.
const TOLD: usize = 400;
/// Queries up to which their list is not folded.
const UNFOLDED: usize = 60;
/// Differences up to this are rounding.
const ROUNDING: f64 = 1e-12;

/// All gains and losses, largest first, with links to the queries. `before` and `after`
/// name the columns.
pub(super) fn gains_and_losses(stories: &[Story<'_>], before: &str, after: &str) -> Markup {
    let sorted = sorted(stories);
    let gains: Vec<f64> = sorted.iter().map(|(_, story)| story.gain()).collect();
    let n_gains = gains.iter().filter(|gain| **gain > ROUNDING).count();
    let n_losses = gains.iter().filter(|gain| **gain < -ROUNDING).count();
    let n_equal = gains.len() - n_gains - n_losses;
    let counts = format!("{n_gains} queries gain, {n_losses} lose, {n_equal} stay as they are.");
    let largest = gains
        .iter()
        .fold(0.0_f64, |most, gain| most.max(gain.abs()));
    let told = told(&sorted);
    let rows = |part: &[(usize, &Story<'_>)]| -> Vec<Vec<Cell>> {
        let has_hits = |at: &usize| told.iter().any(|(told, _)| told == at);
        part.iter()
            .map(|(at, story)| gain_row(has_hits(at).then(|| anchor(*at)), story, largest))
            .collect()
    };
    let heads = ["query", before, after, "difference", "loss | gain"];
    let table = |part: &[(usize, &Story<'_>)]| {
        let table = table(&heads, rows(part));
        el("div").class("even").add(table) // one above the other, so columns should be too
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
fn sorted<'s, 'a>(stories: &'s [Story<'a>]) -> Vec<(usize, &'s Story<'a>)> {
    let mut sorted: Vec<_> = stories.iter().enumerate().collect();
    sorted.sort_by(|(at, a), (other, b)| b.gain().total_cmp(&a.gain()).then(at.cmp(other)));
    sorted
}

/// Those of the sorted queries whose hits are shown.
fn told<'s, 'a>(sorted: &[(usize, &'s Story<'a>)]) -> Vec<(usize, &'s Story<'a>)> {
    match sorted.len() <= TOLD {
        true => sorted.to_vec(),
        false => {
            let (gains, losses) = (&sorted[..TOLD / 2], &sorted[sorted.len() - TOLD / 2..]);
            [gains, losses].concat()
        }
    }
}

fn gain_row(anchor: Option<String>, story: &Story<'_>, largest: f64) -> Vec<Cell> {
    let shown = one_line(&story.query.text, 90);
    let link = match anchor {
        Some(anchor) => el("a").attr("href", format!("#{anchor}")).text(shown),
        None => el("span").text(shown),
    };
    let gain = match story.gain().abs() <= ROUNDING {
        true => 0.0,
        false => story.gain(),
    };
    vec![
        Cell::markup(link).class("wide"),
        Cell::number(format!("{:.4}", story.before)),
        Cell::number(format!("{:.4}", story.after)),
        Cell::number(format!("{gain:+.4}")),
        Cell::markup(signed_bar(gain, largest)),
    ]
}

/// Queries with their hits, folded, the largest gain first.
pub(super) fn answers(
    stories: &[Story<'_>],
    stages: &[StageName],
    metric: &str,
    explain: &Command,
) -> Markup {
    let sorted = sorted(stories);
    let told = told(&sorted);
    let mut body = Markup::new();
    body.push(remark(
        "Largest gain first. Open a query for its hits, with each stage's raw score, and below it the stage's weighted part of the fused score and its own rank. \u{25cf} is judged relevant, \u{25cb} judged not relevant, a blank not judged.",
    ));
    if told.len() < sorted.len() {
        body.push(remark(format!(
            "Shown are the {} of {} queries that gained and lost most.",
            told.len(),
            sorted.len()
        )));
    }
    let mut list = Markup::new();
    for (at, story) in &told {
        list.push(answer(*at, story, stages, metric, explain));
    }
    match told.len() <= UNFOLDED {
        true => body.push(list),
        false => body.push(folded(format!("all {} queries", told.len()), list)),
    }
    body
}

fn answer(
    at: usize,
    story: &Story<'_>,
    stages: &[StageName],
    metric: &str,
    explain: &Command,
) -> Element {
    let query = story.query;
    let mut summary = el("summary")
        .add(el("strong").text(one_line(&query.text, SUMMARY)))
        .text(format!(
            "  \u{2014} {metric} {:.4} ({:+.4})",
            story.after,
            story.gain()
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
    details = match story.hits.is_empty() {
        true => details.add(paragraph("Nothing was found.")),
        false => details.add(hits_table(story, stages)),
    };
    if !story.missed.is_empty() {
        details = details.add(el("h3").text("Relevant, but not among these"));
        for missed in &story.missed {
            let place = match missed.rank {
                Some(rank) => format!("at rank {rank}"),
                None => "not brought in".to_owned(),
            };
            let said = format!("{} (grade {}), {place}:", missed.id, missed.grade);
            details = details
                .add(paragraph(said))
                .add(explain.explaining(&query.text, &missed.id));
        }
    }
    if let Some(first) = story.hits.first() {
        details = details
            .add(paragraph("To see how a hit came to its place:"))
            .add(explain.explaining(&query.text, &first.hit.id));
    }
    details
}

fn hits_table(story: &Story<'_>, stages: &[StageName]) -> Markup {
    let mut heads = vec!["judged", "rank", "document", "title", "fused"];
    heads.extend(stages.iter().map(|stage| stage.as_str()));
    let rows = story.hits.iter().map(|Answer { hit, grade }| {
        let judged = match grade {
            Some(grade) if *grade > 0 => format!("\u{25cf} {grade}"),
            Some(grade) => format!("\u{25cb} {grade}"),
            None => String::new(),
        };
        let title = match hit.title.is_empty() {
            true => &hit.text,
            false => &hit.title,
        };
        let mut row = vec![
            Cell::word(judged),
            Cell::number(hit.rank),
            Cell::text(&hit.id).class("id"),
            Cell::text(one_line(title, 60)),
            Cell::number(format!("{:.4}", hit.score)),
        ];
        row.extend(stages.iter().map(|stage| {
            let score = &hit.stages[*stage];
            let (raw, below) = match (score.raw, score.rank) {
                (Some(raw), Some(rank)) => (
                    format!("{:.3}", raw.value()),
                    format!("{:.3}, rank {rank}", score.weighted),
                ),
                _ => ("not read".into(), format!("{:.3}", score.weighted)),
            };
            let mut shown = super::markup::text(raw);
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
