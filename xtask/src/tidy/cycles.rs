//! The modules of a crate form no cycle, so that they can be read in some order.
//!
//! A module is a file or folder directly below `src/`, and what it says of others is
//! read off its text: `crate::NAME`, a name that the crate's root re-exports, and
//! `super::NAME` in the module's own file. Tests do not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// By module, the modules that it names.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// One sentence for every cycle, crate by crate.
pub(super) fn problems(workspace: &Workspace, files: &[String]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        let roots = package.targets.iter().filter(|target| {
            let is_code = |kind: &String| kind == "lib" || kind == "bin";
            target.kind.iter().any(is_code)
        });
        for root in roots {
            let root = workspace.relative(&root.src_path);
            let texts = texts(workspace, files, root)?;
            let graph = graph(&texts);
            problems.extend(cycles(&graph).iter().map(|cycle| {
                format!(
                    "{}: these modules form a cycle: {}; move what two of them share into a third",
                    package.name,
                    cycle.join(" -> ")
                )
            }));
        }
    }
    Ok(problems)
}

/// A source file without its tests.
struct Text {
    /// The module that it is or belongs to; empty for the root of the crate.
    module: String,
    /// Whether it is the module's own file and not one below it.
    is_top: bool,
    code: String,
}

fn texts(workspace: &Workspace, files: &[String], root: &Path) -> Result<Vec<Text>> {
    let folder = root.parent().unwrap_or(Path::new(""));
    let mut texts = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let Ok(inside) = Path::new(file).strip_prefix(folder) else {
            continue;
        };
        if inside.ends_with("tests.rs")
            || inside.components().any(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        let text = fs::read_to_string(workspace.root.join(file))
            .with_context(|| format!("could not read {file}"))?;
        let is_top = inside.components().count() == 1;
        let module = inside.iter().next().unwrap_or_default().to_string_lossy();
        let module = module.strip_suffix(".rs").unwrap_or(&module).to_owned();
        texts.push(Text {
            module: if Path::new(file) == root {
                String::new()
            } else {
                module
            },
            is_top,
            code: code_of(&text),
        });
    }
    Ok(texts)
}

/// The text without comments and without what is compiled for tests only: one item, or
/// the module at the end of the file.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            match lines.next() {
                Some(item) if item.ends_with(';') => continue,
                _ => break,
            }
        }
        if !line.trim_start().starts_with("//") {
            code += line;
            code.push('\n');
        }
    }
    code
}

fn graph(texts: &[Text]) -> Graph {
    let root = texts.iter().find(|text| text.module.is_empty());
    let root = root.map_or("", |root| &root.code);
    let exports = exports_of(root);
    let modules = texts.iter().map(|text| &text.module);
    // The root names its modules, but for those of tests.
    let modules = modules.filter(|module| root.contains(&format!("mod {module};")));
    let mut graph: Graph = modules
        .map(|module| (module.clone(), BTreeSet::new()))
        .collect();
    for text in texts.iter().filter(|text| !text.module.is_empty()) {
        let mut named = names_after(&text.code, "crate::");
        if text.is_top {
            named.extend(names_after(&text.code, "super::"));
        }
        for name in named {
            let target = exports.get(name).map_or(name, String::as_str);
            let is_other = graph.contains_key(target) && target != text.module;
            if let Some(named) = graph.get_mut(&text.module).filter(|_| is_other) {
                named.insert(target.to_owned());
            }
        }
    }
    graph
}

/// The first name of every path that begins with `prefix`, also in `prefix{a::x, b}`.
fn names_after<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let starts = code.match_indices(prefix).filter(|(at, _)| {
        // Neither `$crate::`, which is meant where a macro is used, nor `super::super::`.
        !code[..*at].ends_with(|c: char| is_word(c) || c == '$' || c == ':')
    });
    let mut names = Vec::new();
    for (at, _) in starts {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(firsts_of_group(group)),
            None => names.push(first_word(rest)),
        }
    }
    names
}

/// The first name of each item of a `use` group that has just been opened.
fn firsts_of_group(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items
        .into_iter()
        .map(|item| first_word(item.trim_start()))
        .collect()
}

/// Names that the root of a crate re-exports, with the module that they come from.
fn exports_of(root: &str) -> BTreeMap<&str, String> {
    let mut exports = BTreeMap::new();
    for statement in root.split("pub use ").skip(1) {
        let statement = statement.split(';').next().unwrap_or_default();
        let statement = statement
            .trim_start_matches("crate::")
            .trim_start_matches("self::");
        let Some((module, names)) = statement.split_once("::") else {
            continue;
        };
        let names = names.trim_matches(['{', '}']);
        for name in names
            .split(|c: char| !is_word(c))
            .filter(|name| !name.is_empty())
        {
            exports.insert(name, module.to_owned());
        }
    }
    exports
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !is_word(c)).next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// One shortest cycle for every group of modules that reach one another, each with its
/// first module again at the end.
fn cycles(graph: &Graph) -> Vec<Vec<&str>> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut cycles = Vec::new();
    for module in graph.keys() {
        if seen.contains(module.as_str()) {
            continue;
        }
        if let Some(cycle) = circle_through(graph, module) {
            let group = reached(graph, module);
            seen.extend(
                group
                    .into_iter()
                    .filter(|other| reached(graph, other).contains(module.as_str())),
            );
            cycles.push(cycle);
        }
    }
    cycles
}

/// A shortest way from a module back to itself.
fn circle_through<'a>(graph: &'a Graph, module: &'a str) -> Option<Vec<&'a str>> {
    let mut paths = VecDeque::from([vec![module]]);
    let mut visited = BTreeSet::new();
    while let Some(path) = paths.pop_front() {
        let last = path[path.len() - 1];
        for next in &graph[last] {
            if next == module || visited.insert(next.as_str()) {
                let longer = [path.as_slice(), &[next.as_str()]].concat();
                if next == module {
                    return Some(longer);
                }
                paths.push_back(longer);
            }
        }
    }
    None
}

/// Every module that a module names, and those that these name, and so on.
fn reached<'a>(graph: &'a Graph, module: &'a str) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![module]);
    while let Some(module) = open.pop() {
        for next in &graph[module] {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cycles of a crate of these files.
    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let text = |(name, code): &(&str, &str)| Text {
            module: name.split('/').next().unwrap_or_default().to_owned(),
            is_top: !name.contains('/'),
            code: code_of(code),
        };
        let mut texts: Vec<Text> = files.iter().map(text).collect();
        if !files.iter().any(|(name, _)| name.is_empty()) {
            let modules = files.iter().filter(|(name, _)| !name.contains('/'));
            let root: String = modules.map(|(name, _)| format!("mod {name};\n")).collect();
            texts.push(text(&("", &root)));
        }
        let graph = graph(&texts);
        cycles(&graph).iter().map(|cycle| cycle.join(" ")).collect()
    }

    #[test]
    fn a_chain_is_no_circle() {
        let files = [
            ("a", "use crate::b::B;\nuse crate::c::{self, C};"),
            ("b", "use crate::c::C;\nuse std::fs;"),
            (
                "c",
                "use crate::unknown::X;\n// crate::a::A\nuse crate::c::own;",
            ),
        ];
        assert_eq!(check(&files), [""; 0]);
    }

    #[test]
    fn a_circle_is_found_through_groups_paths_and_files_below() {
        for code in [
            "use crate::{b::{C, D}, a::A};",
            "fn f() -> crate::a::A {}",
            "use super::a::A;",
            "use super::{a, b};",
        ] {
            let files = [("a", "use crate::c::C;"), ("c", code)];
            assert_eq!(check(&files), ["a c a"], "{code}");
        }
        let files = [
            ("a/deep", "use crate::c::C;"),
            ("a", ""),
            ("c", "use crate::a;"),
        ];
        assert_eq!(check(&files), ["a c a"]);
    }

    #[test]
    fn a_reexported_name_leads_to_its_module() {
        let root =
            "pub mod a;\nmod error;\npub use error::Error;\npub use a::{One, Two as Three};\n";
        let files = [
            ("", root),
            ("a", "use crate::Error;"),
            ("error", "use crate::Three;"),
        ];
        assert_eq!(check(&files), ["a error a"]);
    }

    #[test]
    fn what_only_looks_like_a_reference_is_none() {
        for code in [
            "$crate::a::A",
            "use super::super::a::A;",
            "mycrate::a::A",
            "crate::ab::A",
        ] {
            let files = [("a", "use crate::c::C;"), ("c", code)];
            assert_eq!(check(&files), [""; 0], "{code}");
        }
        // Below a module `super` is the module itself.
        let files = [("a", "use crate::c::C;"), ("c/deep", "use super::a::A;")];
        assert_eq!(check(&files), [""; 0]);
    }

    #[test]
    fn tests_may_name_what_they_like() {
        let files = [
            ("a", "use crate::c::C;"),
            (
                "c",
                "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
            ),
            ("d", "#[cfg(test)]\nuse crate::e::E;\nfn f() {}"),
            ("e", "use crate::d;"),
        ];
        assert_eq!(check(&files), [""; 0]);
        let root = "mod a;\n#[cfg(test)]\nmod testing;\n";
        let files = [
            ("", root),
            ("a", "use crate::testing;"),
            ("testing", "use crate::a;"),
        ];
        assert_eq!(check(&files), [""; 0]);
    }

    #[test]
    fn each_group_is_told_once_by_its_shortest_circle() {
        let files = [
            ("a", "use crate::b::B;"),
            ("b", "use crate::{a, c};"),
            ("c", "use crate::a;"),
            ("x", "use crate::{a, y};"),
            ("y", "use crate::x;"),
        ];
        assert_eq!(check(&files), ["a b a", "x y x"]);
    }
}
