//! Files that the program writes: each appears whole, or the old one stays.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use treffer_disk::{AtomicFile, Output, create_dir_durably};
use treffer_eval::{Run, write_run};
use treffer_report::text::count_queries;

use crate::terminal;

/// Fails if a file could not be written there, before hours are spent on what is to be in
/// it. `what` names it, as in "the report".
pub(crate) fn check_target(path: &Path, what: &str) -> Result<()> {
    if path.is_dir() {
        bail!(
            "could not write {what} to {}: it is a folder",
            path.display()
        );
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => return Ok(()),
    };
    if !folder.is_dir() {
        bail!(
            "could not write {what} to {}: there is no folder {}",
            path.display(),
            folder.display()
        );
    }
    Ok(())
}

/// Writes a file that takes its name when it is complete. A pipe or device is written
/// directly.
pub(crate) fn write_file(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let name = || format!("could not write {what} to {}", path.display());
    let mut output = Output::open(path).with_context(name)?;
    write(&mut output).with_context(name)?;
    output.commit().with_context(name)
}

/// Writes a TREC run for each name into a folder, as NAME.trec: all of them or, if one
/// cannot be written, none.
pub(crate) fn write_runs<'a>(
    dir: &Path,
    runs: impl IntoIterator<Item = (&'a str, &'a Run)>,
) -> Result<()> {
    let name = || format!("could not write the runs to {}", dir.display());
    create_dir_durably(dir).with_context(name)?;
    let mut files = Vec::new();
    for (tag, run) in runs {
        let path = dir.join(format!("{tag}.trec"));
        let mut file = AtomicFile::create(&path).with_context(name)?;
        write_run(&mut file, run, tag).with_context(name)?;
        files.push(file);
    }
    for file in files {
        file.commit().with_context(name)?;
    }
    Ok(())
}

/// Writes a TREC run into a file, which is reported, or to standard output.
pub(crate) fn write_run_to(path: Option<&Path>, run: &Run, tag: &str) -> Result<()> {
    let Some(path) = path else {
        return terminal::print(|out| Ok(write_run(out, run, tag)?));
    };
    write_file(path, "the run", |out| Ok(write_run(out, run, tag)?))?;
    let queries = count_queries(run.0.len());
    terminal::say(&format!("wrote {queries} to {}", path.display()));
    Ok(())
}

/// Fails if a text cannot be a column of a TREC file, whose columns are separated by
/// blanks. `what` names the text, as in "query id", and `file` the file, as in "a run".
pub(crate) fn check_column(text: &str, what: &str, file: &str) -> Result<()> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        bail!(
            "could not write {file} with the {what} `{text}`: columns are separated by blanks, so it must be non-empty and hold none"
        );
    }
    Ok(())
}

/// As [`check_column`] of a file whose columns are separated by tabs, so that an id may hold blanks,
/// as that of a file in a folder does.
pub(crate) fn check_tab_column(text: &str, what: &str, file: &str) -> Result<()> {
    if text.is_empty() || text.contains(['\t', '\n', '\r']) {
        bail!(
            "could not write {file} with the {what} `{text}`: columns are separated by tabs, so it must be non-empty and hold neither tab nor line end"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_no_column() {
        for bad in ["", "a b", "a\tb", "a\n", "\u{a0}", "a\u{2028}b"] {
            assert!(check_column(bad, "tag", "a run").is_err(), "{bad:?}");
        }
        for bad in ["", "a\tb", "a\n", "a\rb"] {
            assert!(check_tab_column(bad, "id", "it").is_err(), "{bad:?}");
        }
        assert!(check_tab_column("my docs/a b.txt", "id", "it").is_ok());
        assert!(check_column("ünïcode-1", "tag", "a run").is_ok());
    }

    #[test]
    fn a_file_that_fails_halfway_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "old").unwrap();
        let failed = write_file(&path, "the run", |out| {
            out.write_all(b"new")?;
            bail!("halfway")
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
