//! Collects the plain text of a marked-up file: words stay separate, white space is
//! collapsed, and each block is one line.

const SOFT_HYPHEN: char = '\u{ad}';

/// The title and plain text of a marked-up file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Readable {
    /// The title, if the file has one. It is not repeated in `text`.
    pub title: Option<String>,
    /// The text without markup, a line for each block.
    pub text: String,
}

/// Plain text under construction.
#[derive(Debug, Default)]
pub(crate) struct Prose {
    text: String,
    gap: Gap,
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

    /// The text, without leading or trailing white space.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
