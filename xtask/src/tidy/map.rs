//! `crates/README.md` names every member, and every library shows how it is used.

use std::fs;

use anyhow::{Context, Result};

use crate::workspace::{Package, Workspace};

/// Members missing from the map, and libraries without an example.
pub(super) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let map = fs::read_to_string(workspace.root.join("crates/README.md")).unwrap_or_default();
    if map.is_empty() {
        problems.push("crates/README.md, the map of the workspace, is missing".to_owned());
    }
    for package in &workspace.packages {
        let folder = folder_of(workspace, package);
        if !map.is_empty() && !names(&map, &folder) {
            problems.push(format!(
                "crates/README.md does not name `{folder}` ({})",
                package.name
            ));
        }
        for target in package
            .targets
            .iter()
            .filter(|target| target.kind.iter().any(|k| k == "lib"))
        {
            let file = workspace.relative(&target.src_path).display();
            let text = fs::read_to_string(&target.src_path)
                .with_context(|| format!("could not read {file}"))?;
            if !has_example(&text) {
                problems.push(format!(
                    "{file}: the crate's documentation has no example that is tested"
                ));
            }
        }
    }
    Ok(problems)
}

/// The folder of a member; the root package's sources lie in `cli`.
fn folder_of(workspace: &Workspace, package: &Package) -> String {
    let folder = package
        .manifest_path
        .parent()
        .filter(|folder| *folder != workspace.root);
    match folder.and_then(|folder| folder.file_name()) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "cli".to_owned(),
    }
}

/// Whether the map names the folder as a folder or as code, not as a word in passing.
fn names(map: &str, folder: &str) -> bool {
    map.match_indices(folder).any(|(at, _)| {
        let (before, after) = (&map[..at], &map[at + folder.len()..]);
        let starts = before.is_empty() || before.ends_with([' ', '\n', '`', '/', '[', '|', '-']);
        starts && after.starts_with(['/', '`'])
    })
}

/// Whether the leading `//!` lines hold a code block that rustdoc compiles.
fn has_example(text: &str) -> bool {
    let mut inside = false;
    for line in text.lines().map_while(|line| line.strip_prefix("//!")) {
        let Some(language) = line.trim().strip_prefix("```") else {
            continue;
        };
        if !inside && matches!(language, "" | "rust" | "no_run" | "rust,no_run") {
            return true;
        }
        inside = !inside;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_named_as_a_folder_or_as_code() {
        assert!(names("    types/      Document, DocId\n", "types"));
        assert!(names("| `types` | words |", "types"));
        assert!(names("see [crates/types/](types)", "types"));
        assert!(names("`treffer-types`", "types"));
        assert!(!names("no types of candle cross it", "types"));
        assert!(!names("subtypes/", "types"));
    }

    #[test]
    fn an_example_is_a_block_that_rustdoc_compiles() {
        assert!(has_example(
            "//! A crate.\n//!\n//! ```\n//! x();\n//! ```\n"
        ));
        assert!(has_example(
            "//! ```text\n//! a\n//! ```\n//! ```no_run\n//! x();\n//! ```\n"
        ));
        assert!(!has_example("//! ```text\n//! a\n//! ```\n"));
        assert!(!has_example("//! ```ignore\n//! x();\n//! ```\n"));
        assert!(!has_example(
            "//! A crate.\npub fn f() {}\n/// ```\n/// x();\n/// ```\n"
        ));
    }
}
