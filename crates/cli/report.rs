//! Reports of evaluations and tunings, written to files.

use std::path::Path;

use anyhow::Result;

use crate::{output, terminal};

/// The program, as a report names it.
pub(crate) const PROGRAM: &str = concat!("treffer ", env!("CARGO_PKG_VERSION"));

/// Writes a report.
pub(crate) fn write(path: &Path, html: &str) -> Result<()> {
    output::write_file(
        path,
        "the report",
        |out| Ok(out.write_all(html.as_bytes())?),
    )?;
    terminal::say(&format!("wrote the report to {}", path.display()));
    Ok(())
}

/// The command line that started the program, a word each.
pub(crate) fn command_line() -> Vec<String> {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| word.to_string_lossy().into_owned());
    std::iter::once("treffer".to_owned()).chain(words).collect()
}
