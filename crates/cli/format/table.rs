//! Results for people: lines, and columns that line up.

use std::io::{self, Write};

use anyhow::Result;

use super::Format;
use crate::terminal::visible;

/// Lines and columns.
pub(crate) struct Table;

/// A result that can be shown to people.
pub(crate) trait Blocks {
    /// Its parts, from top to bottom.
    fn blocks(&self) -> Vec<Block>;
}

/// A part of what is shown.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// A line of text, possibly empty.
    Line(String),
    /// A line whose parts may be marked, for a terminal.
    Styled(Vec<(Style, String)>),
    /// A table.
    Columns(Columns),
}

/// How a part of a line is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    None,
    Bold,
    Underlined,
    BoldUnderlined,
}

impl Style {
    /// What switches it on (ECMA-48, Select Graphic Rendition).
    fn code(self) -> &'static str {
        match self {
            Style::None => "",
            Style::Bold => "\x1b[1m",
            Style::Underlined => "\x1b[4m",
            Style::BoldUnderlined => "\x1b[1;4m",
        }
    }
}

const NO_STYLE: &str = "\x1b[0m";

impl<R: Blocks> Format<R> for Table {
    fn write(&self, result: &R, out: &mut dyn Write) -> Result<()> {
        for block in result.blocks() {
            match block {
                Block::Line(line) => writeln!(out, "{}", visible(&line))?,
                Block::Styled(parts) => {
                    for (style, text) in parts {
                        let text = visible(&text);
                        match style {
                            Style::None => write!(out, "{text}")?,
                            style => write!(out, "{}{text}{NO_STYLE}", style.code())?,
                        }
                    }
                    writeln!(out)?;
                }
                Block::Columns(columns) => columns.write(out)?,
            }
        }
        Ok(())
    }
}

/// Text in columns, each as wide as its widest cell; numbers to the right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// Adds a row; the first one is the heading.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let visible = |cell: String| visible(&cell);
        let cells = cells.into_iter().map(Into::into).map(visible);
        self.rows.push(cells.collect());
    }

    /// Writes the rows with two spaces between columns.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
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
                let gap = " ".repeat(widths[column] - cell.chars().count());
                let separator = if column == 0 { "" } else { "  " };
                line += separator;
                line += &if numeric[column] {
                    format!("{gap}{cell}")
                } else {
                    format!("{cell}{gap}")
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown(Vec<Block>);

    impl Blocks for Shown {
        fn blocks(&self) -> Vec<Block> {
            self.0.clone()
        }
    }

    fn text(blocks: Vec<Block>) -> String {
        let mut text = Vec::new();
        Table.write(&Shown(blocks), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn columns_line_up_and_numbers_stand_right() {
        let mut table = Columns::default();
        table.row(["name", "nDCG@10"]);
        table.row(["bm25", "0.6800"]);
        table.row(["bm25+dense", "-"]);
        assert_eq!(
            text(vec![Block::Columns(table)]),
            "name        nDCG@10\nbm25         0.6800\nbm25+dense        -\n"
        );
    }

    #[test]
    fn an_id_cannot_steer_the_terminal() {
        let mut table = Columns::default();
        table.row(["e\u{1b}[31m1"]);
        let blocks = vec![Block::Line("a\u{1b}b".into()), Block::Columns(table)];
        assert_eq!(text(blocks), "a\\u{1b}b\ne\\u{1b}[31m1\n");
    }
}
