//! Errors and tables as people read them.

use std::io::{self, Write};

use anyhow::Error;

/// Whether the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Prints an error, its causes and what to do next.
pub(crate) fn print_error(error: &Error) {
    let mut text = format!("error: {error}\n");
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // A transparent wrapper says the same as what it wraps.
        if cause != said {
            text.push_str(&format!("caused by: {cause}\n"));
        }
        said = cause;
    }
    if let Some(hint) = hint(error) {
        text.push_str(&format!("\nhint: {hint}\n"));
    }
    // If standard error is gone too, there is nobody left to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn hint(error: &Error) -> Option<String> {
    let engine = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<treffer_engine::Error>())?;
    engine
        .hint()
        .or_else(|| flag_for(engine).map(str::to_string))
}

/// The flag that helps where a corpus cannot be read: the reader knows no flags.
fn flag_for(error: &treffer_engine::Error) -> Option<&'static str> {
    use treffer_corpus::Error as Reading;
    match error {
        treffer_engine::Error::Corpus(Reading::UnknownFormat { .. }) => {
            Some("name the format with --input-format jsonl, csv or tsv")
        }
        treffer_engine::Error::Corpus(Reading::MissingColumn { .. }) => {
            Some("name columns with --id-column, --title-column and --text-column")
        }
        _ => None,
    }
}

/// Text in columns, each as wide as its widest cell; numbers to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row; the first one is the heading.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Writes the table with two spaces between columns.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let widths = self.rows.iter().filter_map(|row| row.get(column));
            widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        let numeric: Vec<bool> = (0..n_columns)
            .map(|column| self.is_numeric(column))
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let gap = widths[column] - cell.chars().count();
                let separator = if column == 0 { "" } else { "  " };
                line += separator;
                line += &match numeric[column] {
                    true => format!("{}{cell}", " ".repeat(gap)),
                    false => format!("{cell}{}", " ".repeat(gap)),
                };
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self
            .rows
            .iter()
            .skip(1)
            .filter_map(|row| row.get(column))
            .peekable();
        cells.peek().is_some()
            && cells.all(|cell| {
                cell == "-"
                    || cell.is_empty()
                    || cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
            })
    }
}

/// A whole number with thin groups of three, as in 1 276.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes for people.
pub(crate) fn bytes(number: u64) -> String {
    indicatif::HumanBytes(number).to_string()
}

/// "1 document", "2 documents".
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// The start of a text on one line, cut at `width` characters.
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.extend(word.chars().filter(|c| !c.is_control()));
        if words.chars().count() > width {
            let kept: String = words.chars().take(width.saturating_sub(3)).collect();
            return format!("{}...", kept.trim_end());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_stand_right() {
        let mut table = Table::default();
        table.row(["name", "nDCG@10"]);
        table.row(["bm25", "0.6800"]);
        table.row(["bm25+dense", "-"]);
        let mut text = Vec::new();
        table.write(&mut text).unwrap();
        let expected = "name        nDCG@10\nbm25         0.6800\nbm25+dense        -\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_text_is_cut_to_one_line_of_characters() {
        assert_eq!(one_line("ein\n  zwei\tdrei", 40), "ein zwei drei");
        assert_eq!(one_line("Kühlschränke überall im Haus", 12), "Kühlschrä...");
        assert_eq!(one_line("a\u{0}b", 10), "ab");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1276), "1 276");
        assert_eq!(grouped(138468), "138 468");
    }
}
