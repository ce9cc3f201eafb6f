//! Queries as TREC's topics: blocks of `<top>` with fields that are seldom closed, or of
//! `<topic number="...">` in XML.

use std::fmt;
use std::io::BufRead;
use std::str::FromStr;

use html5gum::{Token, Tokenizer};
use treffer_types::Query;

use crate::lines::{Line, Lines, Numbered, utf8};
use crate::names;
use crate::problem::{Reason, excerpt};

/// A field of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicField {
    /// A few words, in `<title>` or `<query>`: what a person would type.
    Title,
    /// A sentence, in `<desc>` or `<description>`.
    Description,
    /// What is relevant and what is not, in `<narr>` or `<narrative>`.
    Narrative,
}

impl TopicField {
    /// Every field.
    pub const ALL: [TopicField; 3] = [
        TopicField::Title,
        TopicField::Description,
        TopicField::Narrative,
    ];

    /// The name of its tag.
    pub fn as_str(self) -> &'static str {
        match self {
            TopicField::Title => "title",
            TopicField::Description => "desc",
            TopicField::Narrative => "narr",
        }
    }
}

impl fmt::Display for TopicField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TopicField {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = TopicField::ALL
            .into_iter()
            .find(|field| field.as_str() == name);
        found.ok_or_else(|| format!("a topic has no `{name}`; its fields are title, desc and narr"))
    }
}

/// Whether a file that starts so holds topics.
pub(crate) fn is_start(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while rest.starts_with("<?") || rest.starts_with("<!") {
        match rest.split_once('>') {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    rest.get(..4)
        .is_some_and(|tag| tag.eq_ignore_ascii_case("<top"))
}

/// Hands every topic of a stream to `add`, in order, as the query that the `fields` make.
pub(crate) fn read<R: BufRead>(
    lines: &mut Lines<R>,
    fields: &[TopicField],
    mut add: impl FnMut(Numbered<Query>),
) -> std::io::Result<()> {
    let (limit, encoding) = (lines.limit(), lines.encoding());
    let mut topic: Option<Block> = None;
    while let Some((number, line)) = lines.next()? {
        let Line::Bytes(mut rest) = line else {
            match &mut topic {
                Some(topic) => topic.is_too_large = true,
                None => add((number, Err(Reason::TooLarge { limit }))),
            }
            continue;
        };
        while let Some(tag) = find_tag(rest) {
            let (before, tag_text) = (&rest[..tag.start], &rest[tag.start..tag.end]);
            match topic.take() {
                Some(mut open) => {
                    open.push(before, limit);
                    add(open.query(fields, limit, encoding));
                }
                None => outside(number, before).map_or((), &mut add),
            }
            if tag.opens {
                topic = Some(Block::new(number, tag_text));
            }
            rest = &rest[tag.end..];
        }
        match &mut topic {
            Some(topic) => {
                topic.push(rest, limit);
                topic.push(b"\n", limit);
            }
            None => outside(number, rest).map_or((), &mut add),
        }
    }
    if let Some(topic) = topic {
        add(topic.query(fields, limit, encoding)); // its end tag is missing, not its content
    }
    Ok(())
}

/// The problem of text between topics; tags around them are none.
fn outside(number: u64, text: &[u8]) -> Option<Numbered<Query>> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let is_nothing = text.is_empty() || text.starts_with('<');
    (!is_nothing).then(|| {
        let text = excerpt(text);
        (number, Err(Reason::OutsideTopics { text }))
    })
}

/// A tag that begins or ends a topic.
struct Tag {
    start: usize,
    end: usize,
    opens: bool,
}

fn find_tag(line: &[u8]) -> Option<Tag> {
    let mut from = 0;
    loop {
        let start = from + line[from..].iter().position(|&byte| byte == b'<')?;
        let end = start + 1 + line[start..].iter().position(|&byte| byte == b'>')?;
        let inner = &line[start + 1..end - 1];
        let (opens, inner) = match inner {
            [b'/', inner @ ..] => (false, inner),
            inner => (true, inner),
        };
        let name = inner
            .split(u8::is_ascii_whitespace)
            .next()
            .unwrap_or_default();
        if name.eq_ignore_ascii_case(b"top") || name.eq_ignore_ascii_case(b"topic") {
            return Some(Tag { start, end, opens });
        }
        from = start + 1;
    }
}

/// A topic as it is written.
struct Block {
    line: u64,
    bytes: Vec<u8>,
    is_too_large: bool,
}

impl Block {
    fn new(line: u64, tag: &[u8]) -> Self {
        Block {
            line,
            bytes: tag.to_vec(),
            is_too_large: false,
        }
    }

    fn push(&mut self, bytes: &[u8], limit: u64) {
        if (self.bytes.len() + bytes.len()) as u64 > limit {
            self.is_too_large = true;
            self.bytes = Vec::new();
        }
        if !self.is_too_large {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn query(
        &self,
        fields: &[TopicField],
        limit: u64,
        encoding: crate::encoding::Encoding,
    ) -> Numbered<Query> {
        if self.is_too_large {
            return (self.line, Err(Reason::TooLarge { limit }));
        }
        let query = utf8(&self.bytes, encoding).and_then(|text| Topic::parse(text).query(fields));
        (self.line, query)
    }
}

/// The parts of a topic that matter.
#[derive(Default)]
struct Topic {
    number: String,
    title: String,
    description: String,
    narrative: String,
    /// Text in no field.
    rest: String,
}

/// Where text goes.
#[derive(Clone, Copy)]
enum Part {
    Number,
    Field(TopicField),
    /// A field that is not read.
    Other,
    Rest,
}

impl Topic {
    fn parse(text: &str) -> Topic {
        let lower = text.to_ascii_lowercase();
        let mut topic = Topic::default();
        let mut part = Part::Rest;
        for token in Tokenizer::new(text) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => {
                    let named = ["number", "id", "num"].map(str::as_bytes);
                    let number = named.iter().find_map(|name| tag.attributes.get(*name));
                    match part_of(&tag.name) {
                        None => {
                            let number = number.map(|number| String::from_utf8_lossy(number));
                            topic.number.extend(number);
                        }
                        // A tag within a field, such as `<i>`, is closed; a field that is not
                        // read seldom is.
                        Some(Part::Other) if lower.contains(&end_tag(&tag.name)) => {}
                        Some(next) => part = next,
                    }
                }
                Token::EndTag(tag) => match part_of(&tag.name) {
                    None | Some(Part::Other) => {}
                    Some(_) => part = Part::Rest,
                },
                Token::String(text) => {
                    let into = match part {
                        Part::Number => &mut topic.number,
                        Part::Field(TopicField::Title) => &mut topic.title,
                        Part::Field(TopicField::Description) => &mut topic.description,
                        Part::Field(TopicField::Narrative) => &mut topic.narrative,
                        Part::Rest => &mut topic.rest,
                        Part::Other => continue,
                    };
                    into.push_str(&String::from_utf8_lossy(&text));
                }
                _ => {}
            }
        }
        topic
    }

    fn query(&self, fields: &[TopicField]) -> Result<Query, Reason> {
        let number = without_label(&self.number, &["number:"]);
        let has_fields = ![&self.title, &self.description, &self.narrative]
            .iter()
            .all(|text| text.trim().is_empty());
        let texts: Vec<String> = fields
            .iter()
            .map(|field| match field {
                // A topic of one text, without fields in it.
                TopicField::Title if !has_fields => without_label(&self.rest, &[]),
                TopicField::Title => without_label(&self.title, &["topic:", "title:"]),
                TopicField::Description => without_label(&self.description, &["description:"]),
                TopicField::Narrative => without_label(&self.narrative, &["narrative:"]),
            })
            .filter(|text| !text.is_empty())
            .collect();
        let id = names::id(&number)?.to_owned();
        if texts.is_empty() {
            let names: Vec<String> = fields.iter().map(|field| format!("<{field}>")).collect();
            let field = names.join(" or ");
            return Err(Reason::NoTopicField { field });
        }
        Ok(Query {
            id,
            text: texts.join(" "),
            ..Query::default()
        })
    }
}

fn end_tag(name: &[u8]) -> String {
    format!("</{}", String::from_utf8_lossy(name))
}

/// What a tag begins; `None` for the tag of the topic itself.
fn part_of(name: &[u8]) -> Option<Part> {
    // In topics of several languages, a tag begins with the language, as in `EN-title`.
    let name = match name {
        [_, _, b'-', name @ ..] => name,
        name => name,
    };
    Some(match name {
        b"top" | b"topic" => return None,
        b"num" | b"number" => Part::Number,
        b"title" | b"query" => Part::Field(TopicField::Title),
        b"desc" | b"description" => Part::Field(TopicField::Description),
        b"narr" | b"narrative" => Part::Field(TopicField::Narrative),
        _ => Part::Other,
    })
}

/// A text on one line, without the label that many topics repeat after the tag.
fn without_label(text: &str, labels: &[&str]) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    let is_label = |label: &&&str| {
        text.get(..label.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(label))
    };
    match labels.iter().find(is_label) {
        Some(label) => text[label.len()..].trim_start().to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
