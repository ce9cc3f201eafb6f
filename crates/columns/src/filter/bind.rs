//! A filter against the fields: names are found, and values become those of their types.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::convert::from_text;
use crate::date::period;
use crate::key::key;
use crate::schema::FieldSchema;
use crate::value::{FieldType, Value};

use super::error::{FilterError, FilterErrorKind};
use super::syntax::{Filter, Node, Test, Word};

/// A filter whose fields are there and whose values are of their types.
#[derive(Clone, Debug)]
pub struct BoundFilter {
    pub(super) root: BoundNode,
}

#[derive(Clone, Debug)]
pub(super) enum BoundNode {
    And(Vec<BoundNode>),
    Or(Vec<BoundNode>),
    Not(Box<BoundNode>),
    Leaf(BoundLeaf),
}

/// Holds if one of the tests holds for one value of the field.
#[derive(Clone, Debug)]
pub(super) struct BoundLeaf {
    pub(super) field: String,
    pub(super) field_type: FieldType,
    pub(super) tests: Vec<BoundTest>,
}

#[derive(Clone, Debug)]
pub(super) enum BoundTest {
    Any,
    Nothing,
    /// Keys of numbers, dates and booleans, both included.
    Keys(u64, u64),
    Words(Bound<String>, Bound<String>),
    Prefix(String),
}

impl Filter {
    /// Finds the fields in `schema`, and reads the values as those of their types.
    ///
    /// # Errors
    /// The first name or value that does not fit, and where it is.
    pub fn bind(&self, schema: &FieldSchema) -> Result<BoundFilter, FilterError> {
        Ok(BoundFilter {
            root: bind(&self.root, schema)?,
        })
    }

    /// The names of the fields that it asks for, in order, each once.
    pub fn fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        collect_fields(&self.root, &mut fields);
        fields
    }
}

fn collect_fields<'n>(node: &'n Node, fields: &mut Vec<&'n str>) {
    match node {
        Node::And(parts) | Node::Or(parts) => {
            for part in parts {
                collect_fields(part, fields);
            }
        }
        Node::Not(inner) => collect_fields(inner, fields),
        Node::Leaf(field, _) => {
            if !fields.contains(&&*field.text) {
                fields.push(&field.text);
            }
        }
    }
}

fn bind(node: &Node, schema: &FieldSchema) -> Result<BoundNode, FilterError> {
    let all = |parts: &[Node]| -> Result<Vec<BoundNode>, FilterError> {
        parts.iter().map(|part| bind(part, schema)).collect()
    };
    Ok(match node {
        Node::And(parts) => BoundNode::And(all(parts)?),
        Node::Or(parts) => or(all(parts)?),
        Node::Not(inner) => BoundNode::Not(Box::new(bind(inner, schema)?)),
        Node::Leaf(name, test) => {
            let field = name.text.to_string();
            let Some(field_type) = schema.get(&field) else {
                let kind = FilterErrorKind::UnknownField {
                    nearest: schema.nearest(&field).map(str::to_owned),
                    known: schema.names().map(str::to_owned).collect(),
                    field,
                };
                return Err(FilterError::new(name.span.clone(), kind));
            };
            let test = bind_test(&field, field_type, test)?;
            BoundNode::Leaf(BoundLeaf {
                field,
                field_type,
                tests: vec![test],
            })
        }
    })
}

/// Conditions on the same field are looked at together.
fn or(parts: Vec<BoundNode>) -> BoundNode {
    let mut others: Vec<BoundNode> = Vec::new();
    let mut leaves: BTreeMap<String, BoundLeaf> = BTreeMap::new();
    for part in parts {
        match part {
            BoundNode::Leaf(leaf) => match leaves.get_mut(&leaf.field) {
                Some(known) => known.tests.extend(leaf.tests),
                None => {
                    leaves.insert(leaf.field.clone(), leaf);
                }
            },
            other => others.push(other),
        }
    }
    others.extend(leaves.into_values().map(BoundNode::Leaf));
    BoundNode::Or(others)
}

fn bind_test(field: &str, field_type: FieldType, test: &Test) -> Result<BoundTest, FilterError> {
    let binder = Binder { field, field_type };
    match test {
        Test::Any => Ok(BoundTest::Any),
        Test::Prefix(word) if field_type == FieldType::Keyword => {
            Ok(BoundTest::Prefix(word.text.to_string()))
        }
        Test::Prefix(word) => Err(FilterError::new(
            word.span.clone(),
            FilterErrorKind::NoPrefixes {
                field: field.to_owned(),
                found: field_type,
            },
        )),
        Test::Equal(word) => {
            let same = || Bound::Included(word.clone());
            binder.within(&same(), &same())
        }
        Test::Within(lower, upper) => binder.within(lower, upper),
    }
}

struct Binder<'f> {
    field: &'f str,
    field_type: FieldType,
}

impl Binder<'_> {
    fn within(&self, lower: &Bound<Word>, upper: &Bound<Word>) -> Result<BoundTest, FilterError> {
        let test = if self.field_type == FieldType::Keyword {
            words(lower, upper)
        } else {
            self.keys(lower, upper)?
        };
        test.ok_or_else(|| {
            let span = match (lower, upper) {
                (
                    Bound::Included(a) | Bound::Excluded(a),
                    Bound::Included(b) | Bound::Excluded(b),
                ) => a.span.start..b.span.end,
                // An open range is not empty by itself.
                _ => 0..0,
            };
            let field = self.field.to_owned();
            FilterError::new(span, FilterErrorKind::EmptyRange { field })
        })
    }

    /// `None` if nothing can be within.
    fn keys(
        &self,
        lower: &Bound<Word>,
        upper: &Bound<Word>,
    ) -> Result<Option<BoundTest>, FilterError> {
        let lowest = match lower {
            Bound::Unbounded => Some(0),
            Bound::Included(word) => Some(self.key(word)?.0),
            Bound::Excluded(word) => self.key(word)?.1.checked_add(1),
        };
        let highest = match upper {
            Bound::Unbounded => Some(u64::MAX),
            Bound::Included(word) => Some(self.key(word)?.1),
            Bound::Excluded(word) => self.key(word)?.0.checked_sub(1),
        };
        Ok(match (lowest, highest) {
            (Some(lowest), Some(highest)) if lowest <= highest => {
                Some(BoundTest::Keys(lowest, highest))
            }
            // Below the least value that there is, or above the greatest.
            _ if matches!(lower, Bound::Unbounded) || matches!(upper, Bound::Unbounded) => {
                Some(BoundTest::Nothing)
            }
            _ => None,
        })
    }

    /// The first and the last key of what a word names; only dates name more than one.
    fn key(&self, word: &Word) -> Result<(u64, u64), FilterError> {
        let both = if self.field_type == FieldType::Date {
            let dates = period(word.text.trim()).ok();
            dates.map(|(first, last)| [first, last].map(Value::Date))
        } else {
            from_text(self.field_type, &word.text).map(|value| [value.clone(), value])
        };
        let keys = both.and_then(|[first, last]| Some((key(&first)?, key(&last)?)));
        keys.ok_or_else(|| {
            let kind = FilterErrorKind::WrongType {
                field: self.field.to_owned(),
                expected: self.field_type,
                found: word.text.to_string(),
            };
            FilterError::new(word.span.clone(), kind)
        })
    }
}

/// `None` if nothing can be within.
fn words(lower: &Bound<Word>, upper: &Bound<Word>) -> Option<BoundTest> {
    let owned = |bound: &Bound<Word>| bound.as_ref().map(|word| word.text.to_string());
    let (lower, upper) = (owned(lower), owned(upper));
    let is_empty = match (&lower, &upper) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
    };
    (!is_empty).then_some(BoundTest::Words(lower, upper))
}
