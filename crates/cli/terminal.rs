//! Standard output and standard error: the only places where the program prints.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anyhow::{Context, Error, Result};

/// Prints a line on standard error. Control characters, which would steer a terminal, are
/// shown as escapes.
pub(crate) fn say(line: &str) {
    let mut line = visible(line);
    line.push('\n');
    // If standard error is closed or full, there is nobody left to tell.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Prints something that was decided for the user, or that a reader of the results should
/// know.
pub(crate) fn note(text: &str) {
    say(&format!("note: {text}"));
}

/// Prints a reason for doubting the results.
pub(crate) fn warn(text: &str) {
    say(&format!("warning: {text}"));
}

/// Prints an error, its causes and what to do next.
pub(crate) fn print_error(error: &Error) {
    let mut text = format!("error: {error}");
    let mut printed = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // A transparent wrapper has the message of what it wraps.
        if cause != printed {
            text.push_str(&format!("\ncaused by: {cause}"));
        }
        printed = cause;
    }
    if let Some(hint) = hint(error) {
        text.push_str(&format!("\n\nhint: {hint}"));
    }
    say(&text);
}

fn hint(error: &Error) -> Option<String> {
    let engine = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<treffer_engine::Error>());
    let known = engine.and_then(treffer_engine::Error::hint);
    known.or_else(|| {
        let mut causes = error.chain();
        let reading = causes.find_map(|cause| cause.downcast_ref::<treffer_corpus::Error>())?;
        flag_for(reading, engine.is_some()).map(str::to_string)
    })
}

/// The flag that helps where a file cannot be read: the reader knows no flags. `is_corpus`
/// tells documents from queries, judgments and runs.
fn flag_for(error: &treffer_corpus::Error, is_corpus: bool) -> Option<&'static str> {
    use treffer_corpus::Error as Reading;
    match error {
        Reading::UnknownFormat { .. } if is_corpus => {
            Some("name the format with --input-format jsonl, csv or tsv")
        }
        Reading::UnknownFormat { .. } => {
            Some("name the format with --query-format jsonl, csv, tsv, lines or trec")
        }
        Reading::MissingColumn { .. } if is_corpus => Some(
            "name columns with --id-column, --title-column and --text-column; a table without a header is read with --no-header",
        ),
        Reading::MissingField { .. } => {
            Some("name fields of JSON with --title-column and --text-column")
        }
        Reading::MissingColumn { .. } => {
            Some("name the column so, or another format with --query-format or --qrels-format")
        }
        Reading::Header { why, .. } | Reading::NotText { why, .. } if why.contains("encoding") => {
            Some("name another encoding with --encoding, as in --encoding windows-1252")
        }
        _ => None,
    }
}

/// A text whose control characters are escaped, but for line ends and tabs.
pub(crate) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
    }
    visible
}

/// Whether standard output can show styles: it is a terminal, and `NO_COLOR` is not set
/// (<https://no-color.org>).
pub(crate) fn shows_styles() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_unwanted
}

/// A number of bytes for people.
pub(crate) fn bytes(number: u64) -> String {
    indicatif::HumanBytes(number).to_string()
}

/// Whether somebody still reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// As far as is known.
    Listening,
    /// It has closed the pipe, as `head` does. What is printed from now on is lost.
    Gone,
}

/// Standard output, buffered.
///
/// A reader that goes away is no error: it has what it wanted. So whatever else a command
/// does must be done before it prints.
pub(crate) struct Stdout(BufWriter<StdoutLock<'static>>);

impl Stdout {
    pub(crate) fn open() -> Self {
        Stdout(BufWriter::new(io::stdout().lock()))
    }

    /// Prints what `write` writes.
    ///
    /// # Errors
    /// As `write`, or if standard output cannot be written for another reason than that
    /// its reader went away.
    pub(crate) fn print(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<Reader> {
        let written = write(&mut self.0);
        listening(written)
    }

    /// Prints what is still buffered.
    ///
    /// # Errors
    /// As [`Stdout::print`].
    pub(crate) fn finish(mut self) -> Result<Reader> {
        let flushed = self.0.flush();
        listening(flushed.context("could not write to standard output"))
    }
}

/// Prints on standard output, once.
///
/// # Errors
/// As [`Stdout::print`].
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut out = Stdout::open();
    if out.print(write)? == Reader::Listening {
        out.finish()?;
    }
    Ok(())
}

/// A line on standard output.
///
/// # Errors
/// As [`Stdout::print`].
pub(crate) fn print_line(line: &str) -> Result<()> {
    print(|out| Ok(writeln!(out, "{line}")?))
}

fn listening(written: Result<()>) -> Result<Reader> {
    match written {
        Ok(()) => Ok(Reader::Listening),
        Err(error) if is_broken_pipe(&error) => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}

fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown() {
        assert_eq!(visible("a\u{1b}[31mb\r\nc\td"), "a\\u{1b}[31mb\\r\nc\td");
        assert_eq!(visible("Kühl 🧊"), "Kühl 🧊");
    }
}
