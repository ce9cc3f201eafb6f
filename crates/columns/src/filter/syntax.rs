//! What a filter consists of, names and types not yet looked at.

use std::ops::{Bound, Range};
use std::sync::Arc;

/// A filter that is well-formed, with names and values as they were written. Two are equal if
/// they say the same in the same order, however they are written.
///
/// [`FromStr`](std::str::FromStr) and [`Filter::parse`] read it; [`Display`](std::fmt::Display)
/// writes it so that it is read again as the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub(super) root: Node,
}

/// One condition, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// At least two, none of them an `And`.
    And(Vec<Node>),
    /// At least two, none of them an `Or`.
    Or(Vec<Node>),
    /// Not of a `Not`.
    Not(Box<Node>),
    Leaf(Word, Test),
}

/// A condition on a field's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// There is one.
    Any,
    Equal(Word),
    Prefix(Word),
    /// Not unbounded on both sides.
    Within(Bound<Word>, Bound<Word>),
}

/// A name or value, without quotes and escapes, and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: Arc<str>,
    /// In bytes of the filter's text.
    pub(super) span: Range<usize>,
}

/// Where it was written does not matter.
impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Word {}

impl Node {
    pub(super) fn and(parts: Vec<Node>) -> Node {
        join(parts, Node::And, |node| match node {
            Node::And(parts) => Ok(parts),
            other => Err(other),
        })
    }

    pub(super) fn or(parts: Vec<Node>) -> Node {
        join(parts, Node::Or, |node| match node {
            Node::Or(parts) => Ok(parts),
            other => Err(other),
        })
    }

    pub(super) fn not(node: Node) -> Node {
        match node {
            Node::Not(inner) => *inner,
            other => Node::Not(Box::new(other)),
        }
    }
}

/// One node of at least one part; parts of the same kind become its own.
fn join(
    mut parts: Vec<Node>,
    kind: fn(Vec<Node>) -> Node,
    inner: fn(Node) -> Result<Vec<Node>, Node>,
) -> Node {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only;
    }
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match inner(part) {
            Ok(parts) => flat.extend(parts),
            Err(other) => flat.push(other),
        }
    }
    kind(flat)
}

/// Words of the language.
pub(super) const RESERVED: [&str; 4] = ["AND", "OR", "NOT", "TO"];
