//! `data/README.md` names every file of data/ with its true sha256, and no other file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::sha256;

/// Files without a true checksum, and checksums without a file.
pub(super) fn problems(root: &Path, files: &[String]) -> Result<Vec<String>> {
    let mut sums = Vec::new();
    for file in files {
        let Some(name) = file.strip_prefix("data/").filter(|name| has_checksum(name)) else {
            continue;
        };
        let bytes = fs::read(root.join(file)).with_context(|| format!("could not read {file}"))?;
        sums.push((name.to_owned(), sha256(&bytes)));
    }
    let table = fs::read_to_string(root.join("data/README.md")).unwrap_or_default();
    Ok(compare(&table, &sums))
}

/// Everything but the descriptions and the scripts that make the data.
fn has_checksum(name: &str) -> bool {
    let bare = name.rsplit('/').next().unwrap_or(name);
    bare != "README.md" && !bare.ends_with(".py")
}

/// `sums` holds names below data/ with the checksums that the files have.
fn compare(table: &str, sums: &[(String, String)]) -> Vec<String> {
    let entries: Vec<(&str, &str)> = table.lines().filter_map(entry).collect();
    let listed = |name: &str| entries.iter().find(|(listed, _)| *listed == name);
    let of_files = sums.iter().filter_map(|(name, sum)| match listed(name) {
        None => Some(format!(
            "data/{name}: data/README.md has no line `| {name} | {sum} |`"
        )),
        Some((_, listed)) if listed != sum => Some(format!(
            "data/{name}: sha256 is {sum}, but data/README.md says {listed}"
        )),
        Some(_) => None,
    });
    // A row about something else, a model for instance, may hold a checksum too.
    let folder = |name: &str| name.split_once('/').map(|(folder, _)| folder.to_owned());
    let of_lines = entries
        .iter()
        .filter(|(name, _)| sums.iter().any(|(file, _)| folder(file) == folder(name)))
        .filter(|(name, _)| !sums.iter().any(|(file, _)| file == name))
        .map(|(name, _)| format!("data/README.md lists {name}, but there is no data/{name}"));
    of_files.chain(of_lines).collect()
}

/// File and checksum of a table row: the first cell is the file, below data/ or
/// with it, and some other cell is the checksum.
fn entry(line: &str) -> Option<(&str, &str)> {
    let mut cells = line
        .trim()
        .strip_prefix('|')?
        .split('|')
        .map(|cell| cell.trim().trim_matches('`'));
    let name = cells.next()?;
    let sum = cells.find(|cell| cell.len() == 64 && cell.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((name.strip_prefix("data/").unwrap_or(name), sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums() -> Vec<(String, String)> {
        vec![("sample/corpus.jsonl".to_owned(), sha256(b"abc"))]
    }

    #[test]
    fn a_true_table_has_no_problems() {
        let sum = sha256(b"abc");
        for line in [
            format!("| `sample/corpus.jsonl` | `{sum}` |"),
            format!("|data/sample/corpus.jsonl|3 documents|{sum}|"),
        ] {
            let table = format!("# Data\n\n| path | sha256 |\n|---|---|\n{line}\n");
            assert_eq!(compare(&table, &sums()), [""; 0]);
        }
    }

    #[test]
    fn missing_false_and_stale_lines_are_reported() {
        assert!(compare("", &sums())[0].contains("has no line"));
        let false_line = format!("| sample/corpus.jsonl | {} |", sha256(b"abd"));
        assert!(compare(&false_line, &sums())[0].contains("says"));
        let [true_line, stale_line] = ["sample/corpus.jsonl", "sample/gone.jsonl"]
            .map(|name| format!("| {name} | {} |\n", sha256(b"abc")));
        assert!(
            compare(&(true_line + &stale_line), &sums())[0].contains("lists sample/gone.jsonl")
        );
    }

    #[test]
    fn a_row_about_something_else_is_left_alone() {
        let sum = sha256(b"abc");
        let table = format!("| sample/corpus.jsonl | {sum} |\n| maker/model | {sum} |\n");
        assert_eq!(compare(&table, &sums()), [""; 0]);
    }

    #[test]
    fn descriptions_and_scripts_have_no_checksum() {
        assert!(!has_checksum("README.md"));
        assert!(!has_checksum("sample/README.md"));
        assert!(!has_checksum("golden/make.py"));
        assert!(has_checksum("golden/logits.json"));
    }
}
