//! What can be set about BM25, and what makes a setting valid.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// How texts are indexed and how documents are scored.
///
/// The analyzer, the folding of accents, `negation` and the kind of `fields` are properties of an index:
/// opening it with others is an error. `k1`, `b` and the two field weights act at query time
/// only, so an index may be opened with any valid values of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bm25Config {
    /// From text to terms.
    pub analyzer: Analyzer,
    /// Whether accents on Latin and Greek letters are dropped, so that `cafe` finds `café`.
    /// Unset: as [`Bm25Config::folds_accents`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold_accents: Option<bool>,
    /// Whether words that a text negates have a mark besides their terms, so that `ohne Gefrierfach`
    /// ranks documents first that say so. German and English texts only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negation: bool,
    /// A file of words that compounds may be cut into besides those of the index, one on a line.
    /// Whoever builds the index reads it ([`Bm25Writer::add_pieces`](crate::Bm25Writer::add_pieces)); the words are then part of
    /// the index, and opening it does not need the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<PathBuf>,
    /// Term-frequency saturation, finite and at least 0. The larger, the more further
    /// occurrences of a term count; at 0 only presence counts. 0.9 and 1.2 are usual.
    pub k1: f32,
    /// How much long documents are discounted, in 0..=1. 0.4 and 0.75 are usual.
    pub b: f32,
    /// Whether the title is a field of its own.
    pub fields: Fields,
}

impl Bm25Config {
    /// Whether accents are dropped. Unless it is set, English, German and mixed texts lose them, as
    /// they are foreign there and often left out; the analyzer for other languages keeps them.
    /// In German, `ä`, `ö` and `ü` are letters of their own and never dropped here; the stemmer
    /// makes `a`, `o` and `u` of them, since they mark inflected forms (`Schrank`, `Schränke`).
    pub fn folds_accents(&self) -> bool {
        self.fold_accents.unwrap_or(match self.analyzer {
            Analyzer::English | Analyzer::German | Analyzer::Mixed => true,
            Analyzer::Plain => false,
        })
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] for the first value that is out of its range, [`Error::Words`] for words
    /// of an analyzer that cuts no compounds.
    pub fn validate(&self) -> Result<(), Error> {
        let Bm25Config {
            analyzer:
                analyzer @ (Analyzer::English | Analyzer::German | Analyzer::Mixed | Analyzer::Plain),
            fold_accents: Some(true | false) | None,
            negation: true | false,
            words,
            k1,
            b,
            fields,
        } = self;
        if words.is_some() && !analyzer.has_compounds() {
            return Err(Error::Words {
                analyzer: analyzer.to_string(),
            });
        }
        check(
            "k1",
            *k1,
            k1.is_finite() && *k1 >= 0.0,
            "finite and at least 0",
        )?;
        check("b", *b, (0.0..=1.0).contains(b), "from 0 to 1")?;
        match fields {
            Fields::Concatenated => Ok(()),
            Fields::Weighted { title, text } => {
                let allowed = "finite and at least 0";
                check(
                    "fields.title",
                    *title,
                    title.is_finite() && *title >= 0.0,
                    allowed,
                )?;
                check(
                    "fields.text",
                    *text,
                    text.is_finite() && *text >= 0.0,
                    allowed,
                )?;
                let allowed = "above 0 unless fields.title is";
                check("fields.text", *text, *title > 0.0 || *text > 0.0, allowed)
            }
        }
    }
}

fn check(key: &'static str, value: f32, valid: bool, allowed: &'static str) -> Result<(), Error> {
    if valid {
        return Ok(());
    }
    Err(Error::Config {
        key,
        value,
        allowed,
    })
}

/// How a text becomes terms. All fold characters and case (Unicode NFKC with full case
/// folding), make one word of the spellings of numbers, units, part numbers and compounds, and
/// find texts of scripts without blanks by pairs of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Analyzer {
    /// English stop words are dropped, the rest is stemmed by Snowball's English stemmer.
    English,
    /// German stop words are dropped, the rest is stemmed by Snowball's German stemmer, for
    /// which an umlaut may be written with an `e` (`ae` for `ä`). Compounds are found by their parts, and
    /// parts by compounds, as far as the parts are words of the index.
    German,
    /// Each document and query in its own language: as `German`, as `English`, or in any other as
    /// `Plain`. What is unsure is taken as both, German and English.
    Mixed,
    /// No stop words, no stemming, accents kept: for other languages and for codes.
    Plain,
}

impl Analyzer {
    /// Whether compounds are cut into words of the index.
    pub fn has_compounds(self) -> bool {
        match self {
            Analyzer::German | Analyzer::Mixed => true,
            Analyzer::English | Analyzer::Plain => false,
        }
    }
}

impl fmt::Display for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Analyzer::English => "english",
            Analyzer::German => "german",
            Analyzer::Mixed => "mixed",
            Analyzer::Plain => "plain",
        })
    }
}

/// How title and text are combined. In a configuration file, `"concatenated"` or `{ title =
/// 2.0, text = 1.0 }`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fields {
    /// Title and text are one field: BM25.
    Concatenated,
    /// Title and text have their own lengths and weights: BM25F. A field of weight 0 is
    /// not searched.
    Weighted {
        /// Weight of the title, at least 0.
        title: f32,
        /// Weight of the text, at least 0. Not both are 0.
        text: f32,
    },
}

const CONCATENATED: &str = "concatenated";

/// [`Fields::Weighted`] as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weights {
    title: f32,
    text: f32,
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Fields::Concatenated => serializer.serialize_str(CONCATENATED),
            Fields::Weighted { title, text } => Weights { title, text }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because serde's untagged enums hide what was wrong with a key.
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "\"{CONCATENATED}\" or {{ title = WEIGHT, text = WEIGHT }}"
                )
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Fields, E> {
                match name {
                    CONCATENATED => Ok(Fields::Concatenated),
                    _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fields, A::Error> {
                let Weights { title, text } =
                    Weights::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Fields::Weighted { title, text })
            }
        }

        deserializer.deserialize_any(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &str) -> Result<Bm25Config, toml::de::Error> {
        toml::from_str(&format!(
            "analyzer = \"german\"\nk1 = 0.9\nb = 0.4\nfields = {fields}\n"
        ))
    }

    fn config(k1: f32, b: f32, fields: Fields) -> Bm25Config {
        Bm25Config {
            analyzer: Analyzer::Plain,
            fold_accents: None,
            negation: false,
            words: None,
            k1,
            b,
            fields,
        }
    }

    #[test]
    fn accents_are_folded_by_language_unless_it_is_set() {
        let folds = |analyzer, fold_accents| {
            let config = Bm25Config {
                analyzer,
                fold_accents,
                ..config(0.9, 0.4, Fields::Concatenated)
            };
            config.folds_accents()
        };
        assert!(folds(Analyzer::English, None) && folds(Analyzer::German, None));
        assert!(!folds(Analyzer::Plain, None));
        assert!(folds(Analyzer::Plain, Some(true)) && !folds(Analyzer::German, Some(false)));
        let written = parse("\"concatenated\"\nfold_accents = false").unwrap();
        assert_eq!(written.fold_accents, Some(false));
        assert_eq!(parse("\"concatenated\"").unwrap().fold_accents, None);
    }

    #[test]
    fn both_kinds_of_fields_survive_writing_and_reading() {
        for written in ["\"concatenated\"", "{ title = 2.0, text = 1.0 }"] {
            let config = parse(written).unwrap();
            let again = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
            assert_eq!(config, again);
        }
    }

    #[test]
    fn a_wrong_key_or_name_is_named() {
        let message = parse("{ title = 2.0, body = 1.0 }")
            .unwrap_err()
            .to_string();
        assert!(message.contains("body"), "{message}");
        let message = parse("\"concat\"").unwrap_err().to_string();
        assert!(message.contains("concatenated"), "{message}");
        assert!(toml::from_str::<Bm25Config>("k2 = 1").is_err());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let one = Fields::Concatenated;
        let weighted = |title, text| config(1.2, 0.75, Fields::Weighted { title, text });
        assert!(config(0.0, 0.0, one).validate().is_ok());
        assert!(config(1.2, 1.0, one).validate().is_ok());
        assert!(weighted(0.0, 1.0).validate().is_ok());
        for bad in [
            config(-0.1, 0.4, one),
            config(f32::NAN, 0.4, one),
            config(f32::INFINITY, 0.4, one),
            config(1.2, 1.01, one),
            config(1.2, f32::NAN, one),
            weighted(-1.0, 1.0),
            weighted(1.0, f32::NAN),
            weighted(0.0, 0.0),
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}
