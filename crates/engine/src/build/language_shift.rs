//! Takes the language out of a document's vector.
//!
//! In a pool of several languages, a multilingual bi-encoder prefers documents in the query's own:
//! its vectors say in which language a text is. The difference between two languages is almost the
//! same for every text, so it can be measured on texts that exist in both (`data/parallel`), and
//! half of it be subtracted from the vectors of one and added to those of the other. (Yang and
//! others, A Simple and Effective Method to Eliminate the Self Language Bias in Multilingual
//! Representations, EMNLP 2021, remove such directions; the means of a collection's own documents,
//! which others subtract, take its topics for languages.)
//!
//! Queries stay as they are, and vectors stay of length 1.

use treffer_types::{BoxError, Embedder, Language};

use super::own_texts::Parallel;

/// What is added to the vectors of English documents, and subtracted from those of German ones.
#[derive(Debug)]
pub(super) struct LanguageShift(Vec<f32>);

impl LanguageShift {
    /// Measures half the difference between German and English, times `factor`.
    pub(super) fn measure(embedder: &dyn Embedder, factor: f64) -> Result<Self, BoxError> {
        let Parallel { german, english } = Parallel::read()?;
        let german = mean(embedder, &german)?;
        let english = mean(embedder, &english)?;
        let half = |(de, en): (&f64, &f64)| (factor * (de - en) / 2.0) as f32;
        Ok(LanguageShift(
            german.iter().zip(&english).map(half).collect(),
        ))
    }

    /// The vector of a text in this language. Of other languages nothing is known, and what is
    /// unsure may be either; their vectors stay.
    pub(super) fn apply(&self, vector: &mut [f32], language: Option<Language>) {
        let sign = match language {
            Some(Language::German) => -1.0,
            Some(Language::English) => 1.0,
            Some(Language::Other) | None => return,
        };
        let shifted = vector.iter().zip(&self.0).map(|(v, h)| v + sign * h);
        let shifted: Vec<f32> = shifted.collect();
        let square = |v: &f32| f64::from(*v) * f64::from(*v);
        let length = shifted.iter().map(square).sum::<f64>().sqrt();
        // A vector that the shift cancels has no direction left; it stays as it was.
        if length > 0.0 {
            for (vector, shifted) in vector.iter_mut().zip(shifted) {
                *vector = (f64::from(shifted) / length) as f32;
            }
        }
    }
}

fn mean(embedder: &dyn Embedder, texts: &[String]) -> Result<Vec<f64>, BoxError> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut sum = vec![0.0; embedder.dimension()];
    for embedding in embedder.embed_passages(&texts)? {
        for (sum, value) in sum.iter_mut().zip(&embedding.vector) {
            *sum += f64::from(*value);
        }
    }
    Ok(sum.iter().map(|sum| sum / texts.len() as f64).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use treffer_testkit::FakeEmbedder;

    use super::*;

    fn unit(mut vector: Vec<f32>) -> Vec<f32> {
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|v| *v /= length);
        vector
    }

    #[test]
    fn the_languages_of_the_parallel_texts_come_nearer() {
        let embedder = FakeEmbedder::new();
        let shift = LanguageShift::measure(&embedder, 1.0).unwrap();
        let distance = |shifted: bool| {
            let mut means = Vec::new();
            let Parallel { german, english } = Parallel::read().unwrap();
            for (texts, language) in [(german, Language::German), (english, Language::English)] {
                let mut sum = vec![0.0; 64];
                for text in &texts {
                    let mut vector = embedder.embed_passages(&[text]).unwrap()[0].vector.clone();
                    if shifted {
                        shift.apply(&mut vector, Some(language));
                    }
                    sum.iter_mut()
                        .zip(vector)
                        .for_each(|(sum, v)| *sum += v / 40.0);
                }
                means.push(sum);
            }
            let difference = means[0].iter().zip(&means[1]).map(|(a, b)| (a - b).powi(2));
            difference.sum::<f32>().sqrt()
        };
        assert!(distance(true) < 0.4 * distance(false));
    }

    #[test]
    fn only_german_and_english_are_shifted_and_opposite_ways() {
        let shift = LanguageShift(vec![0.5, 0.0, 0.0]);
        let shifted = |language| {
            let mut vector = unit(vec![1.0, 2.0, 2.0]);
            shift.apply(&mut vector, language);
            vector
        };
        let is_near = |language, expected: [f32; 3]| {
            let found = shifted(language);
            let mut both = found.iter().zip(unit(expected.to_vec()));
            assert!(both.all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        for unknown in [None, Some(Language::Other)] {
            is_near(unknown, [1.0, 2.0, 2.0]);
        }
        is_near(Some(Language::English), [2.5, 2.0, 2.0]);
        is_near(Some(Language::German), [-0.5, 2.0, 2.0]);
        // What is cancelled stays.
        let mut vector = vec![0.5, 0.0, 0.0];
        shift.apply(&mut vector, Some(Language::German));
        assert_eq!(vector, [0.5, 0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn vectors_stay_of_length_one(
            vector in prop::collection::vec(-1.0f32..1.0, 8),
            half in prop::collection::vec(-0.3f32..0.3, 8),
        ) {
            prop_assume!(vector.iter().any(|v| v.abs() > 0.1));
            let mut vector = unit(vector);
            LanguageShift(half).apply(&mut vector, Some(Language::German));
            let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
            prop_assert!((length - 1.0).abs() < 1e-5);
        }
    }
}
