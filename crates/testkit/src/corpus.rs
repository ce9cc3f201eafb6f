//! Random documents and queries whose words are as unevenly spread as real ones.

use treffer_types::{Document, Query};

use crate::random::Random;

/// Size of the vocabulary.
pub const VOCABULARY: u64 = 500;

/// `n` documents `d0`, `d1`, ... of 3 to 80 words; two in three have a title of 1
/// to 6 words. Words are `w0`, `w1`, ... by falling frequency, following Zipf's
/// law: no stemmer changes them and no stop list has them.
pub fn random_corpus(seed: u64, n: usize) -> Vec<Document> {
    let mut source = Source::new(seed, 1);
    (0..n)
        .map(|number| Document {
            id: format!("d{number}"),
            title: match source.random.below(3) {
                0 => String::new(),
                _ => source.text(1, 6),
            },
            text: source.text(3, 80),
            ..Document::default()
        })
        .collect()
}

/// `n` queries `q0`, `q1`, ... of 1 to 6 words from the vocabulary of
/// [`random_corpus`], but from another stream: the same seed serves for both.
pub fn random_queries(seed: u64, n: usize) -> Vec<Query> {
    let mut source = Source::new(seed, 2);
    (0..n)
        .map(|number| Query {
            id: format!("q{number}"),
            ..Query::text(source.text(1, 6))
        })
        .collect()
}

/// Where words come from.
struct Source {
    random: Random,
    /// Running sums of each word's weight, `SCALE / rank`.
    cumulative: Vec<u64>,
}

impl Source {
    fn new(seed: u64, stream: u64) -> Self {
        const SCALE: u64 = 1_000_000;
        let mut sum = 0;
        let cumulative = (1..=VOCABULARY)
            .map(|rank| {
                sum += SCALE / rank;
                sum
            })
            .collect();
        // One step of the generator keeps neighbouring seeds' streams apart.
        let start = Random::new(seed).bits() ^ stream;
        Source {
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
    fn a_seed_names_one_corpus_and_one_set_of_queries() {
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
