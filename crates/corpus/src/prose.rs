//! Text gathered from marked-up text: words kept apart, white space collapsed, one
//! line for each block.

const SOFT_HYPHEN: char = '\u{ad}';

/// What a marked-up file reads as.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Readable {
    /// The title if the file has one; it is then not part of `text`.
    pub(crate) title: Option<String>,
    pub(crate) text: String,
}

/// Text in the making.
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
    /// Adds text of which any white space is as good as one space.
    ///
    /// Soft hyphens are left out: they say where a word may be broken, and would
    /// break it for a search too.
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

    /// What follows is another word.
    pub(crate) fn end_word(&mut self) {
        self.gap = self.gap.max(Gap::Space);
    }

    /// What follows stands on another line.
    pub(crate) fn end_line(&mut self) {
        self.gap = Gap::Line;
    }

    /// The text, without white space at its ends.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
