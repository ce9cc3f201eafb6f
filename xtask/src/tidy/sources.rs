//! What every source file must open with, how long it may be, and what no tracked
//! text may hold.

use std::path::Path;

/// Above this many lines a file is hard to read in one go.
const LONGEST: usize = 500;

/// Files that may be longer, each with the reason why cutting them would not help.
const ALLOWED_LONG: [(&str, &str); 0] = [];

/// Folders at the root of somebody's machine.
const MACHINE_FOLDERS: [&str; 3] = ["work", "home", "tmp"];

/// Hosts of package registries, in two parts so that this file does not hold them.
const REGISTRY_HOSTS: [(&str, &str); 7] = [
    ("crates", "io"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("deb.debian", "org"),
    ("security.debian", "org"),
];

/// What is wrong with one tracked text file, a sentence each.
pub(super) fn problems(file: &str, text: &str) -> Vec<String> {
    if file == "Cargo.lock" {
        return Vec::new(); // written by cargo
    }
    let mut problems = Vec::new();
    if file.ends_with(".rs") && !opens_with_doc(text) {
        problems.push(format!(
            "{file}: does not open with a `//!` line that says what it holds"
        ));
    }
    let tests_from = first_test_line(file, text);
    for (number, line) in (1..).zip(text.lines()) {
        if number < tests_from
            && let Some(folder) = machine_folder(line)
        {
            problems.push(format!(
                "{file}:{number}: names a path of one machine (/{folder}/)"
            ));
        }
        if let Some(host) = registry_host(line) {
            problems.push(format!(
                "{file}:{number}: names a package registry ({host})"
            ));
        }
    }
    problems
}

/// Files that are too long without a reason, and reasons without a long file.
pub(super) fn length_problems(lengths: &[(&str, usize)]) -> Vec<String> {
    let is_excused = |file: &str| ALLOWED_LONG.iter().any(|(path, _)| *path == file);
    let long = |length: &&(&str, usize)| length.1 > LONGEST;
    let too_long = lengths
        .iter()
        .filter(long)
        .filter(|(file, _)| !is_excused(file))
        .map(|(file, n_lines)| {
            format!("{file}: {n_lines} lines; cut it by ideas to at most {LONGEST}")
        });
    let stale = ALLOWED_LONG
        .iter()
        .filter(|(path, _)| !lengths.iter().filter(long).any(|(file, _)| file == path))
        .map(|(path, _)| {
            format!("{path}: no longer long; remove it from the list in xtask/src/tidy/sources.rs")
        });
    too_long.chain(stale).collect()
}

fn opens_with_doc(text: &str) -> bool {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .is_some_and(|line| line.starts_with("//!") && line.len() > 4)
}

/// Number of the first line that belongs to tests: they may name what they like.
fn first_test_line(file: &str, text: &str) -> usize {
    let in_tests = Path::new(file)
        .iter()
        .any(|part| part == "tests" || part == "tests.rs");
    if in_tests {
        return 0;
    }
    (1..)
        .zip(text.lines())
        .find(|(_, line)| file.ends_with(".rs") && line.trim() == "#[cfg(test)]")
        .map_or(usize::MAX, |(number, _)| number)
}

/// A machine's folder that `line` names as the start of a path, not within one.
fn machine_folder(line: &str) -> Option<&'static str> {
    MACHINE_FOLDERS.into_iter().find(|folder| {
        line.match_indices(&format!("/{folder}/")).any(|(at, _)| {
            !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/~*})>".contains(c))
        })
    })
}

fn registry_host(line: &str) -> Option<String> {
    let line = line.to_ascii_lowercase();
    REGISTRY_HOSTS
        .into_iter()
        .map(|(name, ending)| format!("{name}.{ending}"))
        .find(|host| {
            line.match_indices(host.as_str()).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-')
                    && !line[at + host.len()..].starts_with(|c: char| c.is_alphanumeric())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_file_opens_with_its_purpose() {
        assert!(opens_with_doc("//! What it holds.\nuse std::fs;\n"));
        assert!(opens_with_doc("\n//! What it holds.\n"));
        assert!(!opens_with_doc("// A license.\n//! What it holds.\n"));
        assert!(!opens_with_doc("//!\nuse std::fs;\n"));
        assert!(!opens_with_doc(""));
        assert_eq!(problems("src/a.rs", "fn main() {}\n").len(), 1);
        assert_eq!(problems("a.toml", "key = 1\n"), [""; 0]);
    }

    #[test]
    fn paths_of_one_machine_are_found_outside_tests() {
        assert_eq!(
            problems("run.sh", "cd x\ncp a \"/tmp/b\"\n"),
            ["run.sh:2: names a path of one machine (/tmp/)"]
        );
        assert_eq!(machine_folder("/home/me"), Some("home"));
        assert_eq!(machine_folder("see `/work/x`"), Some("work"));
        assert_eq!(
            machine_folder("target/tmp/x $dir/work/ ${dir}/tmp/ host.org/home/"),
            None
        );
        assert_eq!(machine_folder("the workplace and /tmpfs"), None);
        assert_eq!(problems("tests/it.rs", "//! Tests.\n\"/tmp/x\"\n"), [""; 0]);
        let code = "//! Code.\n#[cfg(test)]\nmod tests { \"/tmp/x\" }\n";
        assert_eq!(problems("src/a.rs", code), [""; 0]);
    }

    #[test]
    fn registries_are_found_everywhere_but_in_the_lock_file() {
        for (name, ending) in REGISTRY_HOSTS {
            let line = format!("see https://www.{name}.{ending}/x\n");
            assert_eq!(problems("README.md", &line).len(), 1, "{line}");
            assert_eq!(problems("tests/it.md", &line).len(), 1, "{line}");
            assert_eq!(problems("Cargo.lock", &line), [""; 0]);
        }
        assert_eq!(registry_host(&format!("my{}.{}", "pypi", "org")), None);
        assert_eq!(registry_host(&format!("{}.{}", "crates", "iota")), None);
    }

    #[test]
    fn a_file_is_too_long_from_the_first_line_above() {
        assert_eq!(length_problems(&[("a.rs", LONGEST)]), [""; 0]);
        let problems = length_problems(&[("a.rs", LONGEST + 1)]);
        assert!(problems[0].starts_with("a.rs: 501 lines"), "{problems:?}");
    }
}
