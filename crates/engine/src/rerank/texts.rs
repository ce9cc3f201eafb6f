//! Scoring texts that come with their query: no index takes part.

use std::cmp::Reverse;

use treffer_api::{RankedText, RerankResponse};
use treffer_corpus::Pairs;
use treffer_types::{
    BoxError, Grade, PairScore, PairScorer, Progress, Query, Score, Scoring, StageName,
};

use crate::error::{Error, stop_if_asked};
use crate::gather::query_name;

/// Texts that are scored before it is asked again whether to stop.
const BATCH: usize = 256;

/// Scores each text for the query, as [`PairScorer::score_pairs`] does, and returns the best
/// `top_k` of them, or all.
///
/// # Errors
/// If the model cannot be run or gives no finite score, or if `progress` says to stop.
pub fn rerank_texts(
    scorer: &dyn PairScorer,
    pairs: &Pairs,
    top_k: Option<usize>,
    progress: &dyn Progress,
) -> Result<RerankResponse, Error> {
    let scoring = &scorer.spec().details.scoring;
    let mut results = Vec::with_capacity(pairs.texts.len());
    for batch in pairs.texts.chunks(BATCH) {
        stop_if_asked(progress)?;
        let texts: Vec<&str> = batch.iter().map(|text| text.text.as_str()).collect();
        let scores = scores(scorer, &pairs.query, &texts).map_err(|source| Error::Stage {
            stage: StageName::CROSS,
            query: name(pairs),
            source,
        })?;
        for (text, (score, tokens_cut)) in batch.iter().zip(scores) {
            results.push(RankedText {
                index: results.len(),
                id: text.id.clone(),
                score,
                probability: scoring
                    .grades()
                    .is_none()
                    .then(|| scoring.share(score.value())),
                grade: grade(scoring, score),
                tokens_cut,
            });
        }
    }
    // Stable: equal scores stay in the order of the request.
    results.sort_by_key(|text| Reverse(text.score));
    results.truncate(top_k.unwrap_or(usize::MAX));
    Ok(RerankResponse {
        id: pairs.id.clone(),
        query: pairs.query.clone(),
        results,
    })
}

fn scores(
    scorer: &dyn PairScorer,
    query: &str,
    texts: &[&str],
) -> Result<Vec<(Score, u32)>, BoxError> {
    let scored = scorer.score_pairs(query, texts)?;
    if scored.len() != texts.len() {
        let (found, expected) = (scored.len(), texts.len());
        return Err(
            format!("the cross-encoder returned {found} scores for {expected} pairs").into(),
        );
    }
    let finite = |PairScore { score, tokens_cut }| {
        let finite = Score::new(score);
        let score = finite.ok_or_else(|| format!("the cross-encoder gave {score} for a pair"))?;
        Ok((score, tokens_cut))
    };
    scored.into_iter().map(finite).collect()
}

/// The nearest grade of a model that gives grades.
fn grade(scoring: &Scoring, score: Score) -> Option<Grade> {
    let (lowest, highest) = scoring.grades()?;
    Some((score.value().round() as Grade).clamp(lowest, highest))
}

fn name(pairs: &Pairs) -> String {
    query_name(&Query {
        id: pairs.id.clone().unwrap_or_default(),
        ..Query::text(&pairs.query)
    })
}

#[cfg(test)]
mod tests {
    use treffer_corpus::PairText;
    use treffer_testkit::FakeScorer;
    use treffer_types::NoProgress;

    use super::*;

    fn pairs(texts: &[&str]) -> Pairs {
        let text = |text: &&str| PairText {
            id: None,
            text: (*text).to_owned(),
        };
        Pairs {
            query: "cold box".to_owned(),
            texts: texts.iter().map(text).collect(),
            ..Pairs::default()
        }
    }

    fn indexes(response: &RerankResponse) -> Vec<usize> {
        response.results.iter().map(|text| text.index).collect()
    }

    #[test]
    fn the_best_come_first_and_equal_ones_in_their_order() {
        let pairs = pairs(&["coat", "cold", "cold box", "shoe", ""]);
        let scorer = FakeScorer::new();
        let all = rerank_texts(&scorer, &pairs, None, &NoProgress).unwrap();
        assert_eq!(indexes(&all), [2, 1, 4, 0, 3]);
        let two = rerank_texts(&scorer, &pairs, Some(2), &NoProgress).unwrap();
        assert_eq!(two.results, all.results[..2]);
    }

    #[test]
    fn every_score_is_the_models_own_across_batches() {
        let texts: Vec<String> = (0..2 * BATCH + 3)
            .map(|n| ["cold", "box", "coat"][n % 3].repeat(n % 5))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let scorer = FakeScorer::new();
        let own = scorer.score_pairs("cold box", &texts).unwrap();
        let response = rerank_texts(&scorer, &pairs(&texts), None, &NoProgress).unwrap();
        assert_eq!(response.results.len(), texts.len());
        for text in response.results {
            assert_eq!(text.score.value(), own[text.index].score);
            assert_eq!(text.tokens_cut, own[text.index].tokens_cut);
        }
    }

    #[test]
    fn a_score_is_a_probability_or_a_grade() {
        let scored = |scoring: Scoring| {
            let mut spec = FakeScorer::new().spec().clone();
            spec.details.scoring = scoring;
            let scorer = FakeScorer::with_spec(spec);
            let response = rerank_texts(&scorer, &pairs(&["cold coat"]), None, &NoProgress);
            let text = response.unwrap().results.remove(0);
            (text.score.value(), text.probability, text.grade)
        };
        let third = 1.0 / 3.0;
        let probability = 1.0 / (1.0 + f64::exp(-f64::from(third)));
        assert_eq!(scored(Scoring::Logit), (third, Some(probability), None));
        assert_eq!(
            scored(Scoring::Grades(vec![1, 2, 3])),
            (third, None, Some(1))
        );
    }
}
