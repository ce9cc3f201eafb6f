//! What is wrong with a filter, and where.

use std::fmt;
use std::ops::Range;

use crate::value::FieldType;

/// A filter that cannot be read, or that does not fit the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// What is wrong.
    pub kind: FilterErrorKind,
    /// Where, in bytes of the filter's text; empty at its end.
    pub span: Range<usize>,
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterErrorKind {
    /// It is not well-formed: what is wrong, and what to write.
    Syntax(String),
    /// It is nested too deep.
    TooDeep {
        /// The maximum number of levels.
        most: usize,
    },
    /// It has too many conditions.
    TooMany {
        /// The maximum number.
        most: usize,
    },
    /// There is no such field.
    UnknownField {
        /// The name.
        field: String,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// All that there are.
        known: Vec<String>,
    },
    /// A value is not of the field's type.
    WrongType {
        /// The field.
        field: String,
        /// Its type.
        expected: FieldType,
        /// The value.
        found: String,
    },
    /// A prefix, in a field that has no keywords.
    NoPrefixes {
        /// The field.
        field: String,
        /// Its type.
        found: FieldType,
    },
    /// A range that nothing can lie in.
    EmptyRange {
        /// The field.
        field: String,
    },
}

impl FilterError {
    pub(super) fn new(span: Range<usize>, kind: FilterErrorKind) -> Self {
        FilterError { kind, span }
    }

    pub(super) fn syntax(span: Range<usize>, message: impl Into<String>) -> Self {
        FilterError::new(span, FilterErrorKind::Syntax(message.into()))
    }

    /// Where it begins, in characters of `text`, the filter's text, counted from 1.
    pub fn column(&self, text: &str) -> usize {
        text.char_indices()
            .take_while(|(at, _)| *at < self.span.start)
            .count()
            + 1
    }

    /// The line of `text`, the filter's text, in which it is, and carets below it, for a terminal;
    /// without a newline at the end.
    pub fn point_at(&self, text: &str) -> String {
        let at = self.span.start.min(text.len());
        let is_newline = |byte: &u8| *byte == b'\n';
        let start = text.as_bytes()[..at].iter().rposition(is_newline);
        let start = start.map_or(0, |newline| newline + 1);
        let length = text.as_bytes()[at..].iter().position(is_newline);
        let end = length.map_or(text.len(), |length| at + length);
        let mut line = String::new();
        let mut carets = String::new();
        for (offset, char) in text.get(start..end).unwrap_or_default().char_indices() {
            // What does not show, or shows elsewhere, would move the carets.
            line.push(if char.is_control() { ' ' } else { char });
            let here = start + offset;
            if here < self.span.start {
                carets.push(' ');
            } else if here < self.span.end {
                carets.push('^');
            }
        }
        if !carets.ends_with('^') {
            carets.push('^');
        }
        format!("{line}\n{carets}")
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FilterErrorKind::Syntax(message) => f.write_str(message),
            FilterErrorKind::TooDeep { most } => write!(
                f,
                "the filter is nested more than {most} levels deep; leave out brackets and NOT"
            ),
            FilterErrorKind::TooMany { most } => {
                write!(f, "the filter has more than {most} conditions")
            }
            FilterErrorKind::UnknownField {
                field,
                nearest,
                known,
            } => {
                write!(f, "there is no field `{field}` to filter by; ")?;
                match nearest {
                    Some(nearest) => write!(f, "did you mean `{nearest}`?"),
                    None if known.is_empty() => {
                        f.write_str("the index has no fields: name them under [fields]")
                    }
                    None => write!(f, "the fields are {}", known.join(", ")),
                }
            }
            FilterErrorKind::WrongType {
                field,
                expected,
                found,
            } => {
                let example = match expected {
                    FieldType::Keyword => "a shorter text",
                    FieldType::Integer => "a whole number such as 250",
                    FieldType::Float => "a number such as 2.5",
                    FieldType::Date => "a date such as 2020, 2020-03-01 or 2020-03-01T10:30:00Z",
                    FieldType::Boolean => "true or false",
                };
                write!(
                    f,
                    "the field `{field}` is of type {expected}, and `{found}` is none: write \
                     {example}"
                )
            }
            FilterErrorKind::NoPrefixes { field, found } => write!(
                f,
                "the field `{field}` is of type {found}, and only keywords have prefixes: write \
                 a range such as [1 TO 5], or the value in quotes"
            ),
            FilterErrorKind::EmptyRange { field } => write!(
                f,
                "nothing lies in this range of `{field}`: write the lower value first"
            ),
        }
    }
}

impl std::error::Error for FilterError {}
