//! Types of fields, and their values.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::date::Date;

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldType {
    /// Short texts that are compared as they are, capitals included. Numbers and booleans are
    /// taken as the texts that they are written as.
    Keyword,
    /// Whole numbers from -2^63 to 2^63 - 1, exact.
    Integer,
    /// Numbers with fractions, in 64 bits.
    Float,
    /// Instants; see [`Date`].
    Date,
    /// True or false.
    Boolean,
}

impl FieldType {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            FieldType::Keyword => "keyword",
            FieldType::Integer => "integer",
            FieldType::Float => "float",
            FieldType::Date => "date",
            FieldType::Boolean => "boolean",
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One value of a field. Values of a type have an order: texts by code points, `false` before
/// `true`. Serialized as the JSON value that it was, a date as text.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Of [`FieldType::Keyword`].
    Keyword(String),
    /// Of [`FieldType::Integer`].
    Integer(i64),
    /// Of [`FieldType::Float`]; finite, and never -0.
    Float(f64),
    /// Of [`FieldType::Date`].
    Date(Date),
    /// Of [`FieldType::Boolean`].
    Boolean(bool),
}

impl Value {
    /// The type of a field with such values.
    pub fn field_type(&self) -> FieldType {
        match self {
            Value::Keyword(_) => FieldType::Keyword,
            Value::Integer(_) => FieldType::Integer,
            Value::Float(_) => FieldType::Float,
            Value::Date(_) => FieldType::Date,
            Value::Boolean(_) => FieldType::Boolean,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Keyword(a), Value::Keyword(b)) => a.cmp(b),
            (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
            (Value::Date(a), Value::Date(b)) => a.cmp(b),
            (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
            _ => self.field_type().cmp(&other.field_type()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Keyword(text) => f.pad(text),
            Value::Integer(number) => number.fmt(f),
            Value::Float(number) => number.fmt(f),
            Value::Date(date) => date.fmt(f),
            Value::Boolean(truth) => truth.fmt(f),
        }
    }
}
