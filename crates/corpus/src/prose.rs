//! Collects the plain text of a marked-up file: words stay separate, white space is
//! collapsed, and each block is one line.

use treffer_types::Heading;

const SOFT_HYPHEN: char = '\u{ad}';

/// The title and plain text of a marked-up file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Readable {
    /// The title, if the file has one. It is not repeated in `text`.
    pub title: Option<String>,
    /// The text without markup, a line for each block.
    pub text: String,
    /// The headings in `text`, in order: each begins a line of it that is not empty. The title
    /// is none of them. A text beyond 4 GiB has no headings there.
    pub headings: Vec<Heading>,
}

/// Plain text under construction.
#[derive(Debug, Default)]
pub(crate) struct Prose {
    text: String,
    gap: Gap,
    headings: Vec<Heading>,
    /// The level of a heading that has begun and of which nothing is to be read yet.
    heading: Option<u8>,
}

/// What comes before the next visible character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Line,
}

impl Prose {
    /// Adds text, collapsing each run of white space to one space.
    ///
    /// Soft hyphens are removed: they mark where a word may be hyphenated, and an analyzer
    /// would split the word there.
    pub(crate) fn push(&mut self, text: &str) {
        if text.contains(SOFT_HYPHEN) {
            return self.push(&text.replace(SOFT_HYPHEN, ""));
        }
        for piece in text.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            if !word.is_empty() {
                if !self.text.is_empty() {
                    self.text.push_str(match self.gap {
                        Gap::None => "",
                        Gap::Space => " ",
                        Gap::Line => "\n",
                    });
                }
                self.gap = Gap::None;
                if let Some(level) = self.heading.take() {
                    self.add_heading(self.text.len(), level);
                }
                self.text.push_str(word);
            }
            if word.len() < piece.len() {
                self.end_word();
            }
        }
    }

    /// Ends the current word.
    pub(crate) fn end_word(&mut self) {
        self.gap = self.gap.max(Gap::Space);
    }

    /// Ends the current line.
    pub(crate) fn end_line(&mut self) {
        self.gap = Gap::Line;
    }

    /// Begins a heading, on a line of its own.
    pub(crate) fn begin_heading(&mut self, level: u8) {
        self.end_line();
        self.heading = Some(level);
    }

    /// Ends the heading that has begun, if one has. An empty one leaves nothing behind.
    pub(crate) fn end_heading(&mut self) {
        self.end_line();
        self.heading = None;
    }

    /// Adds what was read elsewhere, on lines of its own and with its headings.
    pub(crate) fn append(&mut self, read: &Prose) {
        if read.text.is_empty() {
            return self.end_line();
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let start = self.text.len();
        for Heading { at, level } in &read.headings {
            self.add_heading(start + *at as usize, *level);
        }
        self.text.push_str(&read.text);
        self.end_line();
    }

    /// The text, without leading or trailing white space.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// The text with its headings, under a title.
    pub(crate) fn under(self, title: Option<String>) -> Readable {
        Readable {
            title,
            text: self.text,
            headings: self.headings,
        }
    }

    fn add_heading(&mut self, at: usize, level: u8) {
        if let Ok(at) = u32::try_from(at) {
            self.headings.push(Heading { at, level });
        }
    }
}

/// Whether every heading begins a line that is not empty, and comes after the one before.
#[cfg(test)]
pub(crate) fn headings_begin_lines(page: &Readable) -> bool {
    let Readable { text, headings, .. } = page;
    let begins_line = |heading: &Heading| {
        let (before, line) = text.split_at(heading.at as usize);
        let is_visible = line
            .chars()
            .next()
            .is_some_and(|first| !first.is_whitespace());
        (1..=6).contains(&heading.level)
            && (before.is_empty() || before.ends_with('\n'))
            && is_visible
    };
    headings.iter().all(begins_line) && headings.is_sorted_by(|a, b| a.at < b.at)
}

/// The text with its headings marked as in Markdown.
#[cfg(test)]
pub(crate) fn with_marks(page: &Readable) -> String {
    let mut marked = page.text.clone();
    for Heading { at, level } in page.headings.iter().rev() {
        marked.insert_str(
            *at as usize,
            &format!("{} ", "#".repeat(usize::from(*level))),
        );
    }
    marked
}
