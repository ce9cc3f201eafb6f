//! An explanation, in every format.

use serde::Serialize;
use treffer_api::HitPassage;
use treffer_engine::explain::{
    Explanation, Outcome, Reweighting, Role, StageView, TermScore, UnknownLanguage,
};
use treffer_engine::profile::Depths;
use treffer_fusion::Weights;
use treffer_report::text::{one_line, token_matches};
use treffer_types::{Score, StageName};

use crate::format::{Block, Blocks, Columns};

/// An explanation of a document's rank for a query.
#[derive(Serialize)]
pub(crate) struct Explained<'a> {
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a str>,
    id: &'a str,
    title: &'a str,
    outcome: &'static str,
    /// The stage that lost it.
    lost_by: Option<&'a str>,
    rank: u32,
    score: f64,
    n_candidates: usize,
    top_k: usize,
    stages: Vec<Stage>,
    terms: &'a [TermScore],
    #[serde(skip_serializing_if = "Option::is_none")]
    passage: Option<&'a HitPassage>,
    by_weights: Option<Weightings<'a>>,
    if_reranked: Weightings<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deficit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<&'a str>,
    #[serde(skip)]
    explanation: &'a Explanation,
}

/// What one stage found.
#[derive(Serialize)]
struct Stage {
    stage: StageName,
    role: &'static str,
    reached: bool,
    rank: Option<u32>,
    of: usize,
    raw: Option<Score>,
    normalized: Option<f64>,
    weighted: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<usize>,
    /// In the order in which a reranker takes candidates.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<u32>,
}

/// What other weights would do.
#[derive(Serialize)]
struct Weightings<'a> {
    weightings: usize,
    winning: usize,
    nearest: Option<RankUnder<'a>>,
    best: RankUnder<'a>,
}

#[derive(Serialize)]
struct RankUnder<'a> {
    weights: &'a Weights,
    rank: u32,
}

impl<'a> Explained<'a> {
    pub(super) fn new(
        query: &'a str,
        filter: Option<&'a str>,
        top_k: usize,
        explanation: &'a Explanation,
    ) -> Self {
        let (mut lost_by, mut outranked) = (None, (None, None));
        let outcome = match &explanation.outcome {
            Outcome::Found => "found",
            Outcome::FilteredOut => "filtered out",
            Outcome::NotRetrieved => "not retrieved",
            Outcome::NotReranked => {
                lost_by = reranker(explanation);
                "not reranked"
            }
            Outcome::Outranked { by, deficit, last } => {
                let stages = explanation.stages.iter();
                let mut stages = stages.map(|view| &view.stage);
                let by = by.and_then(|by| stages.find(|stage| **stage == by));
                lost_by = Some(by.map_or("trees", StageName::as_str));
                outranked = (Some(*deficit), Some(last.as_str()));
                "outranked"
            }
        };
        Explained {
            query,
            filter,
            id: &explanation.id,
            title: &explanation.title,
            outcome,
            lost_by,
            rank: explanation.rank,
            score: explanation.score,
            n_candidates: explanation.n_candidates,
            top_k,
            stages: explanation.stages.iter().map(Stage::new).collect(),
            terms: &explanation.terms,
            passage: explanation.passage.as_ref(),
            by_weights: explanation.by_weights.as_ref().map(Weightings::new),
            if_reranked: Weightings::new(&explanation.if_reranked),
            learned: Some(explanation.learned).filter(|learned| *learned != 0.0),
            deficit: outranked.0,
            last: outranked.1,
            explanation,
        }
    }
}

/// The last stage that reranks.
fn reranker(explanation: &Explanation) -> Option<&str> {
    let mut stages = explanation.stages.iter().rev();
    let reranker = stages.find(|view| matches!(view.role, Role::Reranks { .. }));
    reranker.map(|view| view.stage.as_str())
}

impl Stage {
    fn new(view: &StageView) -> Self {
        let (role, depth, place) = match view.role {
            Role::Retrieves(depth) => ("retrieves", Some(depth), None),
            Role::Scores => ("scores", None, None),
            Role::Reranks { depth, place } => ("reranks", Some(depth), Some(place)),
        };
        Stage {
            stage: view.stage,
            role,
            reached: view.is_reached,
            rank: view.rank,
            of: view.n_ranked,
            raw: view.raw,
            normalized: view.fused.normalized,
            weighted: view.fused.weighted,
            depth,
            place,
        }
    }
}

impl<'a> Weightings<'a> {
    fn new(reweighting: &'a Reweighting) -> Self {
        let under = |(weights, rank): &'a (Weights, u32)| RankUnder {
            weights,
            rank: *rank,
        };
        Weightings {
            weightings: reweighting.n_points,
            winning: reweighting.n_winning,
            nearest: reweighting.nearest.as_ref().map(under),
            best: under(&reweighting.best),
        }
    }
}

impl Blocks for Explained<'_> {
    fn blocks(&self) -> Vec<Block> {
        let explanation = self.explanation;
        let title = match self.title {
            "" => String::new(),
            title => format!(" ({})", one_line(title, 60)),
        };
        let mut blocks = vec![
            Block::Line(format!("{}{title}: {}", self.id, self.outcome_in_words())),
            Block::Columns(stages(explanation)),
        ];
        if !self.terms.is_empty() {
            blocks.push(Block::Line(String::new()));
            blocks.push(Block::Columns(terms(self.terms)));
            blocks.push(Block::Line(String::new()));
        }
        if let Some(passage) = self.passage {
            blocks.extend(in_words(passage).map(Block::Line));
        }
        if let Some(learned) = self.learned {
            blocks.push(Block::Line(format!(
                "the trees of the learned fusion add {learned:+.4}"
            )));
        }
        if let Some(unknown) = explanation.unknown_language {
            blocks.push(Block::Line(match unknown {
                UnknownLanguage::OfQuery(language) => format!(
                    "the reranker was left out: the query is in {}, which its model does not know (cross_languages)",
                    language.name()
                ),
                UnknownLanguage::OfDocument(language) => format!(
                    "the reranker did not read it: it is in {}, which its model does not know (cross_languages); the other stages decide",
                    language.name()
                ),
            }));
        }
        if explanation.outcome == Outcome::NotRetrieved {
            let reasons = explanation.stages.iter().filter_map(why_not_retrieved);
            blocks.extend(reasons.map(Block::Line));
        }
        for (what, reweighting) in reweightings(explanation) {
            let line = format!("{what}: {}", self.error_chain(reweighting));
            blocks.push(Block::Line(line));
        }
        blocks
    }
}

impl Explained<'_> {
    fn outcome_in_words(&self) -> String {
        let Explained {
            rank,
            n_candidates,
            top_k,
            ..
        } = self;
        let place = format!("rank {rank} of {n_candidates} candidates");
        match &self.explanation.outcome {
            Outcome::Found => format!("{place}, within the first {top_k}"),
            Outcome::FilteredOut => {
                format!("the filter does not hold for it (if it did, it would have {place})")
            }
            Outcome::NotRetrieved => {
                format!("not retrieved by any stage (if it were, it would have {place})")
            }
            Outcome::NotReranked => format!(
                "{place}; not reranked: it ranks below all that {} scored",
                self.lost_by.unwrap_or("the reranker")
            ),
            Outcome::Outranked { deficit, last, .. } => {
                let by = match self.lost_by {
                    None | Some("trees") => "the trees",
                    Some(stage) => stage,
                };
                format!(
                    "{place}; outranked because of {by}, which gives it {deficit:.4} less than {last} at rank {top_k}"
                )
            }
        }
    }

    fn error_chain(&self, reweighting: &Reweighting) -> String {
        let (n, top) = (reweighting.n_points, self.top_k);
        if let Some((weights, rank)) = &reweighting.nearest {
            return format!(
                "{} of {n} weightings rank it within the first {top}; nearest to the profile's: {weights} (rank {rank})",
                reweighting.n_winning
            );
        }
        let (weights, rank) = &reweighting.best;
        format!(
            "none of {n} weightings ranks it within the first {top}; best: {weights} (rank {rank})"
        )
    }
}

/// Which passage is the best, if there are several, and what late interaction found in it.
fn in_words(passage: &HitPassage) -> impl Iterator<Item = String> {
    let (start, end) = passage.place;
    let number = passage.number + 1;
    let of = passage.of;
    let which = (of > 1)
        .then(|| format!("its best passage is number {number} of {of} (bytes {start}-{end})"));
    let matches = token_matches(&passage.alignment);
    which
        .into_iter()
        .chain(matches.map(|matches| format!("late: {matches}")))
}

fn stages(explanation: &Explanation) -> Columns {
    let mut table = Columns::default();
    table.row([
        "stage",
        "role",
        "rank",
        "of",
        "raw",
        "normalized",
        "weighted",
        "reached",
    ]);
    for view in &explanation.stages {
        let normalized = view.fused.normalized;
        table.row([
            view.stage.to_string(),
            role(view),
            view.rank.map_or("-".into(), |rank| rank.to_string()),
            view.n_ranked.to_string(),
            view.raw
                .map_or("-".into(), |raw| format!("{:.4}", raw.value())),
            normalized.map_or("-".into(), |value| format!("{value:.4}")),
            format!("{:.4}", view.fused.weighted),
            if view.is_reached { "yes" } else { "no" }.into(),
        ]);
    }
    table
}

fn role(view: &StageView) -> String {
    match view.role {
        Role::Retrieves(depth) => format!("retrieves {depth}"),
        Role::Scores => "scores".into(),
        Role::Reranks { depth, place } => format!("reranks {depth}, this is number {place}"),
    }
}

/// How the BM25 score adds up, a line for each term of the query.
fn terms(terms: &[TermScore]) -> Columns {
    let mut table = Columns::default();
    table.row(["bm25 term", "tf", "df", "idf", "weight", "part"]);
    for term in terms {
        table.row([
            term.term.clone(),
            term.tf.to_string(),
            term.df.to_string(),
            format!("{:.4}", term.idf),
            format!("{:.4}", term.weight),
            format!("{:.4}", term.score.value()),
        ]);
    }
    table
}

fn why_not_retrieved(view: &StageView) -> Option<String> {
    let Role::Retrieves(depth) = view.role else {
        return None;
    };
    let (stage, key) = (view.stage, Depths::key(view.stage));
    Some(match view.rank {
        None => format!("{stage}: no term of the query occurs in it"),
        Some(rank) if rank as usize <= depth => {
            let (what, raise) = match stage {
                StageName::LATE => ("the lists of centroids", "late_candidates or late_probes"),
                _ => ("the graph search", "ef_search"),
            };
            format!(
                "{stage}: rank {rank} is within {key} {depth}, but {what} missed it; raise {raise}"
            )
        }
        Some(rank) => format!(
            "{stage}: rank {rank} is beyond {key} {depth}; {key} = {rank} would retrieve it"
        ),
    })
}

/// What weights can do: as things are, and if it were retrieved and reranked, where these
/// are not the same.
fn reweightings(explanation: &Explanation) -> Vec<(&'static str, &Reweighting)> {
    let if_reranked = &explanation.if_reranked;
    let is_reranked =
        |view: &StageView| !matches!(view.role, Role::Reranks { .. }) || view.is_reached;
    match &explanation.by_weights {
        None => vec![("if it were retrieved and reranked", if_reranked)],
        Some(by_weights) if explanation.stages.iter().all(is_reranked) => {
            vec![("other weights", by_weights)]
        }
        Some(by_weights) => vec![
            ("other weights", by_weights),
            ("other weights, if it were reranked", if_reranked),
        ],
    }
}
