//! Writes a filter so that it is read again as the same.

use std::fmt::{self, Display, Write};
use std::ops::Bound;

use super::syntax::{Filter, Node, RESERVED, Test, Word};

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::And(parts) => list(f, parts, " AND ", |part| matches!(part, Node::Or(_))),
            Node::Or(parts) => list(f, parts, " OR ", |_| false),
            Node::Not(inner) => {
                let needs_brackets = matches!(**inner, Node::And(_) | Node::Or(_));
                f.write_str("NOT ")?;
                in_brackets(f, inner, needs_brackets)
            }
            Node::Leaf(field, test) => {
                word(f, field, "_-./")?;
                f.write_char(':')?;
                test.fmt(f)
            }
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Any => f.write_char('*'),
            Test::Equal(value) => write_value(f, value),
            Test::Prefix(value) => {
                write_value(f, value)?;
                f.write_char('*')
            }
            Test::Within(lower, upper) => {
                let open = |bound: &Bound<Word>| matches!(bound, Bound::Excluded(_));
                f.write_char(if open(lower) { '{' } else { '[' })?;
                end(f, lower)?;
                f.write_str(" TO ")?;
                end(f, upper)?;
                f.write_char(if open(upper) { '}' } else { ']' })
            }
        }
    }
}

fn list(
    f: &mut fmt::Formatter<'_>,
    parts: &[Node],
    between: &str,
    needs_brackets: fn(&Node) -> bool,
) -> fmt::Result {
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            f.write_str(between)?;
        }
        in_brackets(f, part, needs_brackets(part))?;
    }
    Ok(())
}

fn in_brackets(f: &mut fmt::Formatter<'_>, node: &Node, needs_brackets: bool) -> fmt::Result {
    if needs_brackets {
        write!(f, "({node})")
    } else {
        node.fmt(f)
    }
}

fn end(f: &mut fmt::Formatter<'_>, bound: &Bound<Word>) -> fmt::Result {
    match bound {
        Bound::Unbounded => f.write_char('*'),
        Bound::Included(value) | Bound::Excluded(value) => write_value(f, value),
    }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &Word) -> fmt::Result {
    word(f, value, "_-./:+")
}

/// The word as it is if it holds nothing but letters, digits and `harmless`, else in quotes.
fn word(f: &mut fmt::Formatter<'_>, word: &Word, harmless: &str) -> fmt::Result {
    let text = &*word.text;
    let is_harmless = |char: char| char.is_alphanumeric() || harmless.contains(char);
    if !text.is_empty() && text.chars().all(is_harmless) && !RESERVED.contains(&text) {
        return f.write_str(text);
    }
    f.write_char('"')?;
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(char)?;
    }
    f.write_char('"')
}
