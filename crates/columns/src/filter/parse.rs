//! Reads a filter.

use std::ops::Bound;
use std::str::FromStr;

use super::error::{FilterError, FilterErrorKind};
use super::literal::{Literal, Place, Scanner};
use super::syntax::{Filter, Node, Test, Word};

/// Brackets and NOTs within one another.
const MOST_LEVELS: usize = 64;

/// Conditions on fields.
const MOST_CONDITIONS: usize = 1 << 16;

/// Bytes of a name.
const MOST_NAME_BYTES: usize = 512;

impl Filter {
    /// Reads a filter; the module `filter` says what it may hold.
    ///
    /// # Errors
    /// What is wrong and where. Names and types are not looked at.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let scanner = Scanner { text, at: 0 };
        let mut parser = Parser {
            scanner,
            level: 0,
            n_conditions: 0,
        };
        if text.trim().is_empty() {
            let message = "the filter is empty: write a condition such as `field:value`";
            return Err(FilterError::syntax(0..text.len(), message));
        }
        let root = parser.or(None)?;
        match parser.scanner.peek() {
            None => Ok(Filter { root }),
            Some(_) => Err(parser.unexpected()),
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Filter::parse(text)
    }
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    level: usize,
    n_conditions: usize,
}

impl Parser<'_> {
    /// Conditions up to the end or a closing bracket; within `field:(...)`, values of the field.
    fn or(&mut self, field: Option<&Word>) -> Result<Node, FilterError> {
        let mut parts = vec![self.and(field)?];
        while self.scanner.eat_word("OR") {
            parts.push(self.and(field)?);
        }
        Ok(Node::or(parts))
    }

    fn and(&mut self, field: Option<&Word>) -> Result<Node, FilterError> {
        let mut parts = vec![self.one(field)?];
        while self.scanner.eat_word("AND") {
            parts.push(self.one(field)?);
        }
        Ok(Node::and(parts))
    }

    /// One condition, and the white space around it.
    fn one(&mut self, field: Option<&Word>) -> Result<Node, FilterError> {
        self.scanner.skip_space();
        let start = self.scanner.at;
        let node = if self.scanner.eat_word("NOT") {
            self.deeper(start)?;
            let node = Node::not(self.one(field)?);
            self.level -= 1;
            node
        } else if self.scanner.eat('(') {
            self.group(field, start)?
        } else if let Some(field) = field {
            self.leaf(field.clone())?
        } else {
            self.field()?
        };
        self.scanner.skip_space();
        Ok(node)
    }

    /// What follows `(`, up to and with `)`.
    fn group(&mut self, field: Option<&Word>, start: usize) -> Result<Node, FilterError> {
        self.deeper(start)?;
        let node = self.or(field)?;
        self.level -= 1;
        if self.scanner.eat(')') {
            return Ok(node);
        }
        Err(match self.scanner.peek() {
            None => FilterError::syntax(start..start + 1, "this bracket is not closed"),
            Some(_) => self.unexpected(),
        })
    }

    /// `name:` and what it is to be.
    fn field(&mut self) -> Result<Node, FilterError> {
        let start = self.scanner.at;
        let bare = self.scanner.peek_bare();
        if ["AND", "OR"].contains(&bare) {
            let message = format!("a condition is missing before `{bare}`");
            return Err(FilterError::syntax(start..start + bare.len(), message));
        }
        let name = self.scanner.name()?;
        if name.text.len() > MOST_NAME_BYTES {
            let message = format!("this name has more than {MOST_NAME_BYTES} bytes");
            return Err(FilterError::syntax(name.span, message));
        }
        self.scanner.skip_space();
        if !self.scanner.eat(':') {
            let message = "the name of a field is missing: write `field:value`";
            return Err(FilterError::syntax(name.span, message));
        }
        self.scanner.skip_space();
        let bracket = self.scanner.at;
        if self.scanner.eat('(') {
            return self.group(Some(&name), bracket);
        }
        self.leaf(name)
    }

    /// A condition on the values of a field.
    fn leaf(&mut self, field: Word) -> Result<Node, FilterError> {
        self.n_conditions += 1;
        if self.n_conditions > MOST_CONDITIONS {
            let most = MOST_CONDITIONS;
            return Err(FilterError::new(
                field.span,
                FilterErrorKind::TooMany { most },
            ));
        }
        let test = match self.scanner.peek() {
            Some(open @ ('[' | '{')) => self.range(open)?,
            Some(sign @ ('<' | '>')) => self.comparison(sign)?,
            _ => match self.scanner.literal(Place::Value)? {
                Literal::Star => Test::Any,
                Literal::Whole(word) => Test::Equal(word),
                Literal::Prefix(word) => Test::Prefix(word),
            },
        };
        Ok(Node::Leaf(field, test))
    }

    fn comparison(&mut self, sign: char) -> Result<Test, FilterError> {
        self.scanner.eat(sign);
        let with_equal = self.scanner.eat('=');
        self.scanner.skip_space();
        let start = self.scanner.at;
        let Literal::Whole(word) = self.scanner.literal(Place::Value)? else {
            let message = "write a value without `*` after a comparison";
            return Err(FilterError::syntax(start..self.scanner.at, message));
        };
        let bound = if with_equal {
            Bound::Included(word)
        } else {
            Bound::Excluded(word)
        };
        Ok(match sign {
            '<' => Test::Within(Bound::Unbounded, bound),
            _ => Test::Within(bound, Bound::Unbounded),
        })
    }

    fn range(&mut self, open: char) -> Result<Test, FilterError> {
        let start = self.scanner.at;
        self.scanner.eat(open);
        let lower = self.end_of_range()?;
        if !self.scanner.eat_word("TO") {
            let message = "`TO` is missing in the range: write [1 TO 5], or [1 TO *]";
            return Err(self.here_or(start, message));
        }
        let upper = self.end_of_range()?;
        let close = self.scanner.peek();
        if !(self.scanner.eat(']') || self.scanner.eat('}')) {
            let message = "this range is not closed: write [1 TO 5] with both ends, {1 TO 5} \
                           without them";
            return Err(FilterError::syntax(start..start + 1, message));
        }
        let bound = |word: Option<Word>, includes: bool| match word {
            None => Bound::Unbounded,
            Some(word) if includes => Bound::Included(word),
            Some(word) => Bound::Excluded(word),
        };
        Ok(match (lower, upper) {
            (None, None) => Test::Any,
            (lower, upper) => {
                Test::Within(bound(lower, open == '['), bound(upper, close == Some(']')))
            }
        })
    }

    /// A value of a range, and the white space around it; `None` for `*`.
    fn end_of_range(&mut self) -> Result<Option<Word>, FilterError> {
        self.scanner.skip_space();
        let start = self.scanner.at;
        let end = match self.scanner.literal(Place::Range)? {
            Literal::Star => None,
            Literal::Whole(word) => Some(word),
            Literal::Prefix(_) => {
                let message = "a range has whole values: write the `*` in quotes, or alone for \
                               an open end";
                return Err(FilterError::syntax(start..self.scanner.at, message));
            }
        };
        self.scanner.skip_space();
        Ok(end)
    }

    fn deeper(&mut self, start: usize) -> Result<(), FilterError> {
        self.level += 1;
        if self.level > MOST_LEVELS {
            return Err(FilterError::new(
                start..self.scanner.at,
                FilterErrorKind::TooDeep { most: MOST_LEVELS },
            ));
        }
        Ok(())
    }

    /// What is next does not belong there.
    fn unexpected(&self) -> FilterError {
        let start = self.scanner.at;
        let bare = self.scanner.peek_bare();
        let next = self.scanner.peek().map_or(0, char::len_utf8);
        let span = start..start + bare.len().max(next);
        let capitals = bare.to_ascii_uppercase();
        let message = match (&*capitals, self.scanner.peek()) {
            ("AND" | "OR" | "NOT", _) if bare != capitals => {
                format!("write {capitals} in capitals between two conditions")
            }
            ("&&", _) => "write AND for &&".to_owned(),
            ("||", _) => "write OR for ||".to_owned(),
            (_, Some(')')) => "no bracket is open that this one would close".to_owned(),
            _ => "write AND or OR between two conditions; a value with white space is written \
                  in quotes"
                .to_owned(),
        };
        FilterError::syntax(span, message)
    }

    fn here_or(&self, start: usize, message: &str) -> FilterError {
        let here = self.scanner.at;
        match self.scanner.peek() {
            Some(next) => FilterError::syntax(here..here + next.len_utf8(), message),
            None => FilterError::syntax(start..start + 1, message),
        }
    }
}
