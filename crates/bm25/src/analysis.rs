//! From text to terms: the same chain for documents and for queries.

use tantivy::tokenizer::{
    Language, LowerCaser, Stemmer, StopWordFilter, TextAnalyzer, Token, TokenStream, Tokenizer,
};
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::config::Analyzer;
use crate::stop_words;

/// Words longer than this many bytes are cut into pieces, each a term of its own, so that
/// nothing is lost and documents and queries are cut alike. This is far below tantivy's own
/// limit, beyond which it drops terms.
const MAX_WORD_BYTES: usize = 255;

/// The chain of one [`Analyzer`].
#[derive(Clone)]
pub(crate) struct Analysis(TextAnalyzer);

impl Analysis {
    /// The chain that `analyzer` names.
    pub(crate) fn new(analyzer: Analyzer) -> Self {
        let remove =
            |words: &[&str]| StopWordFilter::remove(words.iter().map(|&word| word.to_owned()));
        let words = |apostrophes| {
            TextAnalyzer::builder(Words {
                apostrophes,
                token: Token::default(),
            })
            .filter(LowerCaser)
        };
        Analysis(match analyzer {
            Analyzer::English => words(true)
                .filter(remove(stop_words::ENGLISH))
                .filter(Stemmer::new(Language::English))
                .build(),
            Analyzer::German => words(false)
                .filter(remove(stop_words::GERMAN))
                .filter(Stemmer::new(Language::German))
                .build(),
            Analyzer::Plain => words(false).build(),
        })
    }

    /// Passes each term of `text` to `sink`, in order, including repetitions.
    pub(crate) fn for_each_term(&mut self, text: &str, mut sink: impl FnMut(&str)) {
        let composed: String;
        let text = match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => text,
            IsNormalized::No | IsNormalized::Maybe => {
                composed = text.nfc().collect();
                &composed
            }
        };
        let mut stream = self.0.token_stream(text);
        while stream.advance() {
            let term = stream.token().text.as_str();
            if !term.is_empty() {
                sink(term);
            }
        }
    }

    /// The terms of `text`, in order.
    pub(crate) fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        self.clone()
            .for_each_term(text, |term| terms.push(term.to_owned()));
        terms
    }
}

/// Cuts text into maximal runs of letters, digits and the marks that follow them.
/// `LABO-288` is two words, `13277` is one.
#[derive(Clone)]
struct Words {
    /// Whether an apostrophe between two letters belongs to the word, as in `don't`.
    apostrophes: bool,
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream {
            chars: text.chars(),
            apostrophes: self.apostrophes,
            token: &mut self.token,
        }
    }
}

struct WordStream<'a> {
    chars: std::str::Chars<'a>,
    apostrophes: bool,
    token: &'a mut Token,
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let word = &mut self.token.text;
        word.clear();
        while let Some(c) = self.chars.next() {
            if c.is_alphanumeric() || (!word.is_empty() && is_combining_mark(c)) {
                word.push(c);
                if word.len() >= MAX_WORD_BYTES {
                    return true;
                }
            } else if word.is_empty() || is_invisible(c) {
                continue;
            } else if self.apostrophes
                && is_apostrophe(c)
                && self.chars.clone().next().is_some_and(char::is_alphabetic)
            {
                word.push('\'');
            } else {
                return true;
            }
        }
        !word.is_empty()
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Soft hyphen, zero-width joiners and word joiner: they steer typesetting and neither
/// end a word nor belong to it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200C}' | '\u{200D}' | '\u{2060}')
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(analyzer: Analyzer, text: &str) -> Vec<String> {
        Analysis::new(analyzer).terms(text)
    }

    #[test]
    fn words_are_lower_cased_stemmed_and_freed_of_stop_words() {
        assert_eq!(
            terms(
                Analyzer::English,
                "The Refrigerator's doors don’t CLOSE, and the seals leak"
            ),
            ["refriger", "door", "don't", "close", "seal", "leak"]
        );
        assert_eq!(
            terms(
                Analyzer::German,
                "Die Laborkühlschränke und der Kühlschrank"
            ),
            ["laborkuhlschrank", "kuhlschrank"]
        );
        assert_eq!(
            terms(Analyzer::Plain, "The Doors' L'Eau"),
            ["the", "doors", "l", "eau"]
        );
    }

    #[test]
    fn norms_numbers_and_model_names_are_terms() {
        for analyzer in [Analyzer::English, Analyzer::German, Analyzer::Plain] {
            assert_eq!(
                terms(analyzer, "DIN 13277:2022, 280 L, LABO-288"),
                ["din", "13277", "2022", "280", "l", "labo", "288"]
            );
        }
    }

    #[test]
    fn composed_and_decomposed_umlauts_are_one_letter() {
        for analyzer in [Analyzer::German, Analyzer::Plain] {
            assert_eq!(
                terms(analyzer, "Ku\u{308}hlschra\u{308}nke"),
                terms(analyzer, "K\u{fc}hlschr\u{e4}nke")
            );
        }
        assert_eq!(terms(Analyzer::Plain, "\u{308}x क्या"), ["x", "क्या"]);
    }

    #[test]
    fn a_soft_hyphen_does_not_cut_a_word() {
        assert_eq!(terms(Analyzer::Plain, "Kühl\u{AD}schrank"), ["kühlschrank"]);
    }

    #[test]
    fn a_very_long_word_is_cut_into_pieces_and_none_is_lost() {
        for letter in ['x', 'ü', '字', '𝒳'] {
            let word = String::from(letter).repeat(100_000);
            let pieces = terms(Analyzer::Plain, &word);
            assert!(pieces.iter().all(|piece| piece.len() < MAX_WORD_BYTES + 4));
            assert_eq!(pieces.concat(), word.to_lowercase());
        }
    }

    #[test]
    fn text_without_words_has_no_terms() {
        for text in [
            "",
            " \t\n",
            "\0",
            "😀👩‍👩‍👧",
            "--- ... !",
            "\u{200d}\u{ad}",
            "'",
            "the and of",
        ] {
            assert_eq!(terms(Analyzer::English, text), [""; 0], "{text:?}");
        }
    }
}
