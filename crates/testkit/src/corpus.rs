//! Random documents and queries whose word frequencies follow Zipf's law, like real text.

use treffer_types::{Document, Query};

use crate::random::Random;

/// Size of the vocabulary.
pub const VOCABULARY: u64 = 500;

/// `n` documents `d0`, `d1`, ... of 3 to 80 words; two in three have a title of 1
/// to 6 words. Words are `w0`, `w1`, ... in order of decreasing frequency. No stemmer
/// changes them and no stop list contains them.
pub fn random_corpus(seed: u64, n: usize) -> Vec<Document> {
    let mut sampler = WordSampler::new(seed, 1);
    (0..n)
        .map(|number| Document {
            id: format!("d{number}"),
            title: match sampler.random.below(3) {
                0 => String::new(),
                _ => sampler.text(1, 6),
            },
            text: sampler.text(3, 80),
            ..Document::default()
        })
        .collect()
}

/// `n` queries `q0`, `q1`, ... of 1 to 6 words from the vocabulary of
/// [`random_corpus`]. The two use separate random streams, so one seed serves both.
pub fn random_queries(seed: u64, n: usize) -> Vec<Query> {
    let mut sampler = WordSampler::new(seed, 2);
    (0..n)
        .map(|number| Query {
            id: format!("q{number}"),
            ..Query::text(sampler.text(1, 6))
        })
        .collect()
}

/// Draws words from a Zipf distribution over the vocabulary.
struct WordSampler {
    random: Random,
    /// Running sums of the words' weights; a word of frequency rank `r` weighs `SCALE / r`.
    cumulative: Vec<u64>,
}

impl WordSampler {
    fn new(seed: u64, stream: u64) -> Self {
        const SCALE: u64 = 1_000_000;
        let mut sum = 0;
        let cumulative = (1..=VOCABULARY)
            .map(|rank| {
                sum += SCALE / rank;
                sum
            })
            .collect();
        // One step of the generator separates the streams of neighboring seeds.
        let start = Random::new(seed).bits() ^ stream;
        WordSampler {
            random: Random::new(start),
            cumulative,
        }
    }

    fn text(&mut self, fewest: u64, most: u64) -> String {
        let n = fewest + self.random.below(most - fewest + 1);
        let words: Vec<String> = (0..n).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn word(&mut self) -> String {
        let total = self.cumulative.last().copied().unwrap_or(1);
        let target = self.random.below(total);
        let number = self.cumulative.partition_point(|&sum| sum <= target);
        format!("w{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_corpus_and_the_queries() {
        assert_eq!(random_corpus(7, 50), random_corpus(7, 50));
        assert_ne!(random_corpus(7, 50), random_corpus(8, 50));
        assert_eq!(random_queries(7, 50), random_queries(7, 50));
        assert_ne!(random_queries(7, 50), random_queries(8, 50));
    }

    #[test]
    fn a_longer_corpus_begins_like_the_shorter_one() {
        assert_eq!(random_corpus(7, 50)[..20], random_corpus(7, 20));
    }

    #[test]
    fn frequent_words_are_frequent_and_rare_words_occur() {
        let documents = random_corpus(1, 300);
        let count = |wanted: &str| {
            let words = documents.iter().flat_map(|d| d.text.split(' '));
            words.filter(|&word| word == wanted).count()
        };
        assert!(count("w0") > 5 * count("w20"));
        assert!((100..VOCABULARY).any(|rank| count(&format!("w{rank}")) > 0));
        assert_eq!(count(&format!("w{VOCABULARY}")), 0);
    }

    #[test]
    fn documents_have_text_and_some_have_no_title() {
        let documents = random_corpus(2, 100);
        assert!(documents.iter().all(|d| !d.text.is_empty()));
        assert!(documents.iter().any(|d| d.title.is_empty()));
        assert!(documents.iter().any(|d| !d.title.is_empty()));
    }
}
