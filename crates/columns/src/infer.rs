//! Which fields a collection probably has, from some of its documents.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde_json::Value as Json;
use treffer_types::Document;

use crate::convert::{MOST_KEYWORD_BYTES, from_json, from_text};
use crate::leaves;
use crate::schema::FieldSchema;
use crate::value::FieldType;

/// Texts of more characters on average are prose, not keywords.
const MOST_MEAN_CHARS: usize = 100;

/// Texts of more characters on average that are nearly all different are titles and the like,
/// not keywords.
const MOST_MEAN_CHARS_IF_UNIQUE: usize = 32;

/// Nearly all different: this share of at least this many.
const UNIQUE_SHARE: f64 = 0.9;
const UNIQUE_FROM: usize = 20;

/// Different texts that are remembered for each field.
const MOST_REMEMBERED: usize = 100_000;

/// Looks at documents one after the other and says which fields they have.
///
/// Texts that are numbers, dates or booleans count as such, since tables have nothing but texts;
/// numbers with leading zeros are texts.
#[derive(Debug, Default)]
pub struct Inference {
    fields: BTreeMap<String, Seen>,
    n_docs: usize,
}

/// A field that was found, and what it is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferredField {
    /// Its name.
    pub name: String,
    /// Its type, or why it is left out.
    pub decision: Decision,
    /// Documents that have a value in it.
    pub n_docs: usize,
    /// Values of all those.
    pub n_values: usize,
}

/// What a field is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All its values are of this type, or whole numbers in a field of floats.
    Type(FieldType),
    /// Its values are of several types and are all taken as keywords: types with how many values
    /// each has, and a value of the rarest.
    Mixed {
        /// Types and counts, by type.
        counts: Vec<(FieldType, usize)>,
        /// As JSON.
        example: String,
    },
    /// Left out: prose.
    LongTexts {
        /// Characters of a text on average.
        mean_chars: usize,
    },
    /// Left out: longer texts, nearly all of them different.
    UniqueTexts {
        /// How many are different.
        n_different: usize,
        /// Characters of a text on average.
        mean_chars: usize,
    },
}

impl Decision {
    /// The type, unless it is left out.
    pub fn field_type(&self) -> Option<FieldType> {
        match self {
            Decision::Type(field_type) => Some(*field_type),
            Decision::Mixed { .. } => Some(FieldType::Keyword),
            Decision::LongTexts { .. } | Decision::UniqueTexts { .. } => None,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Type(field_type) => write!(f, "{field_type}"),
            Decision::Mixed { counts, example } => {
                f.write_str("keyword, since its values are of several types:")?;
                for (field_type, count) in counts {
                    write!(f, " {count} {field_type},")?;
                }
                write!(f, " for instance {example}")
            }
            Decision::LongTexts { mean_chars } => write!(
                f,
                "left out: texts of {mean_chars} characters on average are no keywords"
            ),
            Decision::UniqueTexts {
                n_different,
                mean_chars,
            } => write!(
                f,
                "left out: {n_different} different texts of {mean_chars} characters on average, \
                 hardly one of them twice, are no keywords"
            ),
        }
    }
}

/// What is known of a field.
#[derive(Debug, Default)]
struct Seen {
    n_docs: usize,
    last_doc: Option<usize>,
    n_values: usize,
    /// How many values are of each type, and one of them.
    types: BTreeMap<FieldType, (usize, String)>,
    /// Whether some number is not exact as a float.
    has_inexact: bool,
    /// Texts only.
    chars: usize,
    n_texts: usize,
    longest: usize,
    different: HashSet<String>,
}

impl Inference {
    /// Nothing seen so far.
    pub fn new() -> Self {
        Inference::default()
    }

    /// Looks at a document.
    pub fn add(&mut self, document: &Document) {
        let doc = self.n_docs;
        self.n_docs += 1;
        // What is nested deeper than JSON is read has no values.
        let _ = leaves::for_each(&document.metadata, &mut |name, json| {
            if !self.fields.contains_key(name) {
                self.fields.insert(name.to_owned(), Seen::default());
            }
            if let Some(seen) = self.fields.get_mut(name) {
                seen.add(doc, json);
            }
        });
    }

    /// All fields that were found, by name, and what each is taken for.
    pub fn fields(&self) -> Vec<InferredField> {
        let field = |(name, seen): (&String, &Seen)| InferredField {
            name: name.clone(),
            decision: seen.decide(),
            n_docs: seen.n_docs,
            n_values: seen.n_values,
        };
        self.fields.iter().map(field).collect()
    }

    /// The fields that are not left out.
    pub fn schema(&self) -> FieldSchema {
        let fields = self.fields().into_iter();
        fields
            .filter_map(|field| Some((field.name, field.decision.field_type()?)))
            .collect()
    }
}

/// The fields of some documents; [`Inference`] also says why.
pub fn infer<'d>(documents: impl IntoIterator<Item = &'d Document>) -> FieldSchema {
    let mut inference = Inference::new();
    for document in documents {
        inference.add(document);
    }
    inference.schema()
}

impl Seen {
    fn add(&mut self, doc: usize, json: &Json) {
        self.n_values += 1;
        if self.last_doc.replace(doc) != Some(doc) {
            self.n_docs += 1;
        }
        let field_type = type_of(json);
        let entry = self.types.entry(field_type);
        entry.or_insert_with(|| (0, json.to_string())).0 += 1;
        self.has_inexact |=
            field_type == FieldType::Integer && from_json(FieldType::Float, json).is_none();
        if let Json::String(text) = json {
            self.n_texts += 1;
            self.chars += text.chars().count();
            self.longest = self.longest.max(text.len());
            if self.different.len() < MOST_REMEMBERED && !self.different.contains(text) {
                self.different.insert(text.clone());
            }
        }
    }

    fn decide(&self) -> Decision {
        let types: Vec<FieldType> = self.types.keys().copied().collect();
        match types[..] {
            [FieldType::Keyword] => {}
            [only] => return Decision::Type(only),
            [FieldType::Integer, FieldType::Float] if !self.has_inexact => {
                return Decision::Type(FieldType::Float);
            }
            _ => {}
        }
        let mean_chars = self.chars / self.n_texts.max(1);
        if mean_chars > MOST_MEAN_CHARS || self.longest > MOST_KEYWORD_BYTES {
            return Decision::LongTexts { mean_chars };
        }
        let n_different = self.different.len();
        if n_different >= UNIQUE_FROM
            && n_different as f64 >= UNIQUE_SHARE * self.n_texts.min(MOST_REMEMBERED) as f64
            && mean_chars > MOST_MEAN_CHARS_IF_UNIQUE
        {
            return Decision::UniqueTexts {
                n_different,
                mean_chars,
            };
        }
        if types == [FieldType::Keyword] {
            return Decision::Type(FieldType::Keyword);
        }
        let counts = self.types.iter();
        let rarest = self.types.values().min_by_key(|(count, _)| *count);
        Decision::Mixed {
            counts: counts.map(|(ty, (count, _))| (*ty, *count)).collect(),
            example: rarest.map_or_else(String::new, |(_, example)| example.clone()),
        }
    }
}

/// The narrowest type that a value has.
fn type_of(json: &Json) -> FieldType {
    match json {
        Json::Bool(_) => FieldType::Boolean,
        Json::Number(number) if number.is_i64() => FieldType::Integer,
        Json::Number(number) if number.is_f64() => FieldType::Float,
        Json::String(text) => {
            let digits = text.trim().trim_start_matches(['-', '+']);
            let has_leading_zero = digits.len() > 1
                && digits.starts_with('0')
                && digits[1..].starts_with(|char: char| char.is_ascii_digit());
            let has_shape = |field_type| from_text(field_type, text).is_some();
            [
                FieldType::Boolean,
                FieldType::Date,
                FieldType::Integer,
                FieldType::Float,
            ]
            .into_iter()
            .filter(|_| !text.trim().starts_with('+'))
            .find(|field_type| {
                let is_number = matches!(field_type, FieldType::Integer | FieldType::Float);
                !(is_number && has_leading_zero) && has_shape(*field_type)
            })
            .unwrap_or(FieldType::Keyword)
        }
        // Beyond 64 bits with a sign: no integer, and no exact float.
        _ => FieldType::Keyword,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a field with these values is taken for, each in a document of its own.
    fn decision(values: impl IntoIterator<Item = Json>) -> Decision {
        let mut inference = Inference::new();
        for value in values {
            let mut document = Document::default();
            document.metadata.insert("f".to_owned(), value);
            inference.add(&document);
        }
        inference.fields().remove(0).decision
    }

    #[test]
    fn values_of_one_type_have_that_type() {
        use FieldType::{Boolean, Date, Float, Integer, Keyword};
        for (values, expected) in [
            (json!([1, -2, "3"]), Integer),
            (json!([1, 2.5]), Float),
            (json!(["1", "2.5"]), Float),
            (json!([true, "false"]), Boolean),
            (json!(["2020-03-01", "2020-03-01T10:30:00Z"]), Date),
            (json!(["2020", "2021"]), Integer),
            (json!(["007", "012"]), Keyword),
            (json!(["+49", "+43"]), Keyword),
            (json!(["Kirsch", "250 Liter"]), Keyword),
        ] {
            let Json::Array(list) = values else {
                unreachable!("they are arrays")
            };
            let several = decision([Json::Array(list.clone())]);
            assert_eq!(several, Decision::Type(expected), "{list:?}");
            assert_eq!(decision(list.clone()), Decision::Type(expected), "{list:?}");
        }
    }

    #[test]
    fn values_of_several_types_are_keywords_and_the_counts_say_why() {
        let mixed = decision([json!(1), json!(2), json!("n/a")]);
        assert_eq!(mixed.field_type(), Some(FieldType::Keyword));
        assert_eq!(
            mixed.to_string(),
            "keyword, since its values are of several types: 1 keyword, 2 integer, for instance \
             \"n/a\""
        );
        // One is no exact float.
        let numbers = decision([json!((1u64 << 60) + 1), json!(0.5)]);
        assert_eq!(numbers.field_type(), Some(FieldType::Keyword));
    }

    #[test]
    fn prose_and_titles_are_left_out_and_article_numbers_are_not() {
        let prose = decision([json!("a long text ".repeat(20))]);
        assert!(matches!(prose, Decision::LongTexts { .. }), "{prose}");
        let titles =
            (0..30).map(|i| json!(format!("The {i}th title of a book about refrigerators")));
        let titles = decision(titles);
        assert!(
            matches!(
                titles,
                Decision::UniqueTexts {
                    n_different: 30,
                    ..
                }
            ),
            "{titles}"
        );
        let numbers = decision((0..30).map(|i| json!(format!("AB-{i}"))));
        assert_eq!(numbers, Decision::Type(FieldType::Keyword));
    }

    #[test]
    fn documents_and_values_are_counted() {
        let Json::Object(metadata) = json!({"a": {"b": [1, 2]}, "c": null}) else {
            unreachable!("it is an object")
        };
        let document = Document {
            metadata,
            ..Document::default()
        };
        let mut inference = Inference::new();
        inference.add(&document);
        inference.add(&Document::default());
        let fields = inference.fields();
        assert_eq!(fields.len(), 1);
        assert_eq!(
            (&*fields[0].name, fields[0].n_docs, fields[0].n_values),
            ("a.b", 1, 2)
        );
        assert_eq!(infer([&document]), inference.schema());
    }
}
