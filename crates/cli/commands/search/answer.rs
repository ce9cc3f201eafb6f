//! What a query found, in every format.

use serde::{Serialize, Serializer};
use treffer_api::{FacetReport, FacetValue, FeatureScore, Hit, HitPassage, SearchResponse};
use treffer_eval::{Run, RunEntry};
use treffer_report::text::{count, grouped, one_line, token_matches};

use super::excerpt::excerpt;
use crate::format::{AsRun, Block, Blocks, Columns, Style};

/// A response, and how people want to see it.
pub(crate) struct Answer<'a> {
    pub(crate) response: &'a SearchResponse,
    /// Whether the query is named: it came from a file.
    pub(crate) is_one_of_many: bool,
    /// Whether there was no query.
    pub(crate) is_list: bool,
    pub(crate) is_filtered: bool,
    pub(crate) is_sorted: bool,
    pub(crate) explain: bool,
    pub(crate) timings: bool,
    /// Whether words and sentences are marked as a terminal can.
    pub(crate) has_styles: bool,
}

/// The response itself.
impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.response.serialize(serializer)
    }
}

impl AsRun for Answer<'_> {
    fn run(&self) -> Run {
        let SearchResponse { query, hits, .. } = self.response;
        let id = match query.id.as_str() {
            "" => "1", // a query typed by hand has none
            id => id,
        };
        let entries = hits.iter().map(|hit| RunEntry {
            doc: hit.id.clone(),
            score: hit.score,
        });
        Run::from_rankings([(id.to_owned(), entries.collect())])
    }
}

impl Blocks for Answer<'_> {
    fn blocks(&self) -> Vec<Block> {
        let SearchResponse {
            query,
            hits,
            stages,
            matched,
            facets,
            ..
        } = self.response;
        let mut blocks = Vec::new();
        let mut line = |line: String| blocks.push(Block::Line(line));
        if self.is_one_of_many {
            line(format!("{}: {}", query.id, one_line(&query.text, 90)));
        }
        if hits.is_empty() {
            line("nothing found".into());
        }
        for hit in hits {
            blocks.extend(self.hit(hit));
        }
        let left_out = stages
            .iter()
            .filter_map(|one| Some((one.stage, one.unknown_language?)));
        for (stage, language) in left_out.filter(|_| self.explain) {
            blocks.push(Block::Line(format!(
                "{stage} was left out: the query is in {}, which its model does not know (cross_languages)",
                language.name()
            )));
        }
        let settled = stages
            .iter()
            .filter_map(|one| Some((one.stage, one.scored, one.settled?)));
        for (stage, scored, settled) in settled.filter(|_| self.explain) {
            let all = scored + settled;
            blocks.push(Block::Line(format!(
                "{stage} scored {scored} of {all}: the ten best were settled by then (cross_patience)"
            )));
        }
        if let Some(matched) = matched.filter(|_| self.is_filtered || !facets.is_empty()) {
            if !hits.is_empty() {
                blocks.push(Block::Line(String::new()));
            }
            let documents = count(matched as u64, "document");
            blocks.push(Block::Line(if self.is_filtered {
                format!("the filter holds for {documents}")
            } else {
                format!("of {documents}")
            }));
        }
        blocks.extend(facets.iter().map(facet));
        if self.timings {
            blocks.push(Block::Columns(self.times()));
        }
        if self.is_one_of_many {
            blocks.push(Block::Line(String::new()));
        }
        blocks
    }
}

impl Answer<'_> {
    fn hit(&self, hit: &Hit) -> Vec<Block> {
        let title = if hit.title.is_empty() {
            &hit.text
        } else {
            &hit.title
        };
        let mut head = format!("{:>3}  ", hit.rank);
        if !self.is_list {
            head.push_str(&format!("{:.4}  ", hit.score));
        }
        if let Some(value) = &hit.sort_value {
            head.push_str(&format!("{}  ", one_line(&shown(value), 40)));
        } else if self.is_sorted {
            head.push_str("-  ");
        }
        head.push_str(&format!("{}  {}", hit.id, one_line(title, 80)));
        let mut blocks = vec![Block::Line(head)];
        if self.explain {
            blocks.push(Block::Columns(stages(hit)));
            blocks.extend(trees(hit).map(Block::Line));
        }
        // A text without a title is shown in the place of one.
        let is_shown = hit.title.is_empty()
            && hit.passages.len() == 1
            && hit
                .passages
                .iter()
                .all(|one| one.of == 1 && one.sentence.is_none());
        if self.explain || !(is_shown || hit.text.is_empty()) {
            for passage in &hit.passages {
                blocks.push(self.passage(hit, passage));
                blocks.extend(alignment(passage).map(Block::Line));
            }
        }
        blocks
    }

    /// A line on a passage: which it is, if there are several, and what of it shows best why it
    /// was found.
    fn passage(&self, hit: &Hit, passage: &HitPassage) -> Block {
        let mut head = " ".repeat(13);
        if passage.of > 1 || self.explain {
            let (start, end) = passage.place;
            let number = passage.number + 1;
            head += &format!("passage {number} of {} (bytes {start}-{end})", passage.of);
            if self.explain && passage.of > 1 {
                for (stage, score) in passage.scores.iter() {
                    head += &format!(", {stage} {:.4}", score.value());
                }
            }
            if let Some(cut @ 1..) = passage.tokens_cut {
                head += &format!(", its last {cut} tokens not read");
            }
            head += ": ";
        }
        let width = LINE.saturating_sub(head.len()).max(LEAST_EXCERPT);
        let mut parts = vec![(Style::None, head)];
        parts.extend(excerpt(&hit.text, passage, width, self.has_styles));
        Block::Styled(parts)
    }

    fn times(&self) -> Columns {
        let mut table = Columns::default();
        table.row(["stage", "ms", "candidates before", "after", "scored"]);
        for report in &self.response.stages {
            table.row([
                report.stage.to_string(),
                report.ms.map_or("-".into(), |ms| format!("{ms:.2}")),
                report.candidates_in.to_string(),
                report.candidates_out.to_string(),
                match report.to_score {
                    None => report.scored.to_string(),
                    Some(to_score) => format!("{} of {to_score}", report.scored),
                },
            ]);
        }
        table
    }
}

/// The values of a field, a line for each.
fn facet(facet: &FacetReport) -> Block {
    let mut table = Columns::default();
    table.row([facet.field.as_str(), "documents"]);
    for FacetValue { value, count } in &facet.values {
        table.row([one_line(&shown(value), 60), grouped(*count)]);
    }
    let n_more = facet.n_values.saturating_sub(facet.values.len()) as u64;
    if n_more > 0 {
        table.row([format!("({} more)", count(n_more, "value")), String::new()]);
    }
    if facet.n_missing > 0 {
        table.row(["(no value)".to_owned(), grouped(facet.n_missing)]);
    }
    Block::Columns(table)
}

/// A value as it stands in a filter, without quotes.
fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How a hit came to its score, a line for each stage.
fn stages(hit: &Hit) -> Columns {
    let mut table = Columns::default();
    table.row([
        "             stage",
        "raw",
        "normalized",
        "weighted",
        "rank",
    ]);
    for (stage, score) in hit.stages.iter() {
        let name = format!("             {stage}");
        let weighted = format!("{:.4}", score.weighted);
        let Some(raw) = score.raw else {
            table.row([name, "-".into(), "-".into(), weighted, "not read".into()]);
            continue;
        };
        let normalized = score.normalized;
        table.row([
            name,
            format!("{:.4}", raw.value()),
            normalized.map_or("-".into(), |value| format!("{value:.4}")),
            weighted,
            score.rank.map_or("-".into(), |rank| rank.to_string()),
        ]);
    }
    table
}

/// Characters of a line about a passage, and the fewest of its text.
const LINE: usize = 120;
const LEAST_EXCERPT: usize = 60;

/// What the features of a learned fusion added, the strongest first.
fn trees(hit: &Hit) -> Option<String> {
    if hit.learned.is_empty() {
        return None;
    }
    let (named, rest) = hit.learned.split_at(hit.learned.len().min(MAX_FEATURES));
    let mut parts: Vec<String> = named.iter().map(feature).collect();
    if !rest.is_empty() {
        let sum: f64 = rest.iter().map(|one| one.part).sum();
        parts.push(format!("{} more {sum:+.4}", rest.len()));
    }
    let total: f64 = hit.learned.iter().map(|one| one.part).sum();
    Some(format!("{:>13}trees {total:+.4}: {}", "", parts.join(", ")))
}

/// Which token late interaction found nearest to each token of the query.
fn alignment(passage: &HitPassage) -> Option<String> {
    let matches = token_matches(&passage.alignment)?;
    Some(format!("{:>13}late: {matches}", ""))
}

fn feature(one: &FeatureScore) -> String {
    let value = one.value.map_or(String::new(), |value| format!(" {value}"));
    format!("{}{value} {:+.4}", one.feature, one.part)
}

/// Features of a learned fusion that are named on a terminal.
const MAX_FEATURES: usize = 5;
