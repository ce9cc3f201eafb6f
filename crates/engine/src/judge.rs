//! Judging: grades by the cross-encoder, for queries without judgments.
//!
//! Such grades are the predictions of one model. They help to try things out and to choose
//! what people should judge; an evaluation of that same model on them is meaningless.

use std::collections::HashSet;

use treffer_types::{Grade, Progress, Query, Scoring, StageName};

use crate::engine::Engine;
use crate::error::{Error, stop_if_asked};
use crate::gather::Gatherer;
use crate::pipeline::Pipeline;
use crate::profile::Profile;

/// Probabilities of relevance from which on a document gets grade 1, 2, 3 by a cross-encoder
/// that gives logits: a logit of 0, of about 2.2 and of about 4.6.
pub const USUAL_THRESHOLDS: [f64; 3] = [0.5, 0.9, 0.99];

/// How to judge.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeRequest<'a> {
    /// How candidates are gathered.
    pub profile: &'a Profile,
    /// How many of each query's candidates are scored, in the profile's order.
    pub depth: usize,
    /// Ascending probabilities of relevance: a document's grade is the number of them that the
    /// sigmoid of its logit reaches. For a cross-encoder that gives grades, they are places
    /// between its lowest grade, 0, and its highest, 1.
    ///
    /// `None`: [`USUAL_THRESHOLDS`] for logits; a cross-encoder's own grades as they are,
    /// rounded.
    pub thresholds: Option<&'a [f64]>,
}

impl JudgeRequest<'_> {
    /// The lowest and the highest grade that a document can get from the index's cross-encoder.
    pub fn grades(&self, engine: &Engine) -> (Grade, Grade) {
        let thresholds = self.thresholds.unwrap_or(&USUAL_THRESHOLDS);
        let of_thresholds = (0, Grade::try_from(thresholds.len()).unwrap_or(Grade::MAX));
        match engine.manifest().models.cross_scoring().grades() {
            Some(of_model) if self.thresholds.is_none() => of_model,
            _ => of_thresholds,
        }
    }
}

/// The cross-encoder's judgment of one document for one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgment {
    /// The query's id.
    pub query: String,
    /// The corpus's id of the document.
    pub doc: String,
    /// From 0 to the number of thresholds, or a grade of the cross-encoder.
    pub grade: Grade,
}

/// Judges the first candidates of every query: returns all that were scored, including those
/// of grade 0, in the order of queries and then of document ids.
///
/// # Errors
/// If the index has no cross-encoder or the profile does not run it, if given thresholds
/// are not ascending probabilities, if two queries have one id, if a stage fails, or if
/// `progress` says to stop.
pub fn judge(
    engine: &Engine,
    request: &JudgeRequest<'_>,
    queries: &[Query],
    progress: &dyn Progress,
) -> Result<Vec<Judgment>, Error> {
    request.thresholds.map_or(Ok(()), check_thresholds)?;
    let mut ids = HashSet::new();
    if let Some(twice) = queries.iter().find(|query| !ids.insert(&query.id)) {
        return Err(Error::Request(format!(
            "two queries have the id `{}`; judgments go by id, so each needs its own",
            twice.id
        )));
    }
    request.profile.refuse_other_profiles("judge")?;
    let depths = request.profile.depths.clone();
    // As many documents as are asked for, whatever the profile saves in a search.
    let profile = Profile {
        depths: depths.with(StageName::CROSS, request.depth),
        cross_patience: 0,
        cross_passages: 1,
        ..request.profile.clone()
    };
    let pipeline = Pipeline::of(&profile, engine.available())?;
    if !pipeline.runs(StageName::CROSS) {
        return Err(Error::Request(
            "nothing can be judged here: the index has no cross-encoder, or its depth is 0; build it with one (cross.model) and let it read at least one document".into(),
        ));
    }
    let grading = Grading {
        scoring: engine.manifest().models.cross_scoring(),
        thresholds: request.thresholds,
    };
    let gatherer = Gatherer::new(engine, &profile, pipeline).without_deadline();
    progress.begin("judging", Some(queries.len() as u64), "queries");
    let mut judgments = Vec::new();
    for query in queries {
        stop_if_asked(progress)?;
        judgments.extend(judge_query(engine, &gatherer, query, &grading)?);
        progress.advance(1);
    }
    progress.end();
    Ok(judgments)
}

fn judge_query(
    engine: &Engine,
    gatherer: &Gatherer,
    query: &Query,
    grading: &Grading<'_>,
) -> Result<Vec<Judgment>, Error> {
    let mut judgments = Vec::new();
    for candidate in gatherer.gather(query)?.candidates {
        // A document in several passages is as relevant as its best one.
        let Some(score) = candidate.best_score(StageName::CROSS) else {
            continue;
        };
        judgments.push(Judgment {
            query: query.id.clone(),
            doc: engine.doc_id(candidate.doc)?.to_owned(),
            grade: grading.grade(score.value()),
        });
    }
    judgments.sort_by(|a, b| a.doc.cmp(&b.doc));
    Ok(judgments)
}

/// How a score of the cross-encoder becomes a grade.
struct Grading<'a> {
    scoring: Scoring,
    thresholds: Option<&'a [f64]>,
}

impl Grading<'_> {
    fn grade(&self, score: f32) -> Grade {
        if self.thresholds.is_none() && self.scoring.grades().is_some() {
            return score.round() as Grade; // between grades, which are whole
        }
        let share = self.scoring.share(score);
        let thresholds = self.thresholds.unwrap_or(&USUAL_THRESHOLDS);
        let reached = thresholds.iter().filter(|threshold| share >= **threshold);
        Grade::try_from(reached.count()).unwrap_or(Grade::MAX)
    }
}

fn check_thresholds(thresholds: &[f64]) -> Result<(), Error> {
    let are_probabilities = thresholds.iter().all(|t| *t > 0.0 && *t < 1.0);
    let are_rising = thresholds.windows(2).all(|pair| pair[0] < pair[1]);
    if !thresholds.is_empty() && are_probabilities && are_rising {
        return Ok(());
    }
    let shown: Vec<String> = thresholds.iter().map(f64::to_string).collect();
    Err(Error::Request(format!(
        "the thresholds are {}; they must be probabilities above 0 and below 1, each above the one before, as in 0.5,0.9,0.99",
        shown.join(",")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_counts_the_thresholds_that_are_reached() {
        for scoring in [Scoring::Logit, Scoring::Label("relevant".into())] {
            let grading = Grading {
                scoring,
                thresholds: None,
            };
            let graded = [-9.0, -0.01, 0.0, 2.19, 2.2, 4.59, 4.6, 11.0];
            let graded = graded.map(|logit| grading.grade(logit));
            assert_eq!(graded, [0, 0, 1, 1, 2, 2, 3, 3]);
            assert_eq!(grading.grade(f32::MIN), 0);
            assert_eq!(grading.grade(f32::MAX), 3);
        }
    }

    #[test]
    fn a_model_that_gives_grades_is_followed() {
        let mut grading = Grading {
            scoring: Scoring::Grades(vec![0, 1, 2]),
            thresholds: None,
        };
        let graded = |grading: &Grading<'_>| {
            [0.0, 0.4, 0.6, 1.4, 1.6, 2.0].map(|score| grading.grade(score))
        };
        assert_eq!(graded(&grading), [0, 0, 1, 1, 2, 2]);
        grading.thresholds = Some(&[0.5]);
        assert_eq!(graded(&grading), [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn thresholds_must_rise_between_zero_and_one() {
        assert!(check_thresholds(&USUAL_THRESHOLDS).is_ok());
        for thresholds in [
            &[][..],
            &[0.0],
            &[1.0],
            &[0.9, 0.5],
            &[0.5, 0.5],
            &[f64::NAN],
        ] {
            let message = check_thresholds(thresholds).unwrap_err().to_string();
            assert!(message.contains("above the one before"), "{message}");
        }
    }
}
