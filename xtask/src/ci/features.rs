//! Every package that has features passes the lints with none of them, with each alone and with
//! all: code behind a feature is else only seen in company.

use anyhow::{Result, ensure};

use crate::workspace::{Workspace, run as run_command};

/// The packages whose features a program may choose among.
const PACKAGES: [&str; 4] = ["treffer-fusion", "treffer-engine", "treffer", "treffer-cli"];

/// Features that are checked elsewhere: `cuda` needs a compiler of its own, and `default`
/// is a set of the others.
const LEFT_OUT: [&str; 2] = ["cuda", "default"];

/// Lints the packages, once for each set of features.
pub(super) fn check(workspace: &Workspace) -> Result<()> {
    for name in PACKAGES {
        let package = workspace
            .packages
            .iter()
            .find(|package| package.name == name);
        ensure!(
            package.is_some(),
            "there is no package `{name}` any more: correct xtask/src/ci/features.rs"
        );
        let declared = package
            .into_iter()
            .flat_map(|package| package.features.keys());
        let features: Vec<&str> = declared.map(String::as_str).collect();
        for set in sets(&features) {
            let mut command = workspace.cargo();
            command.args([
                "clippy",
                "--quiet",
                "--package",
                name,
                "--no-default-features",
            ]);
            if !set.is_empty() {
                command.arg("--features").arg(set.join(","));
            }
            println!("{name}, features: {}", error_chain(&set));
            // What only one set makes unused is told by a warning.
            run_command(command.args(["--", "-Dwarnings"]))?;
        }
    }
    Ok(())
}

/// None, each alone, and all, without repetition.
fn sets<'a>(features: &[&'a str]) -> Vec<Vec<&'a str>> {
    let chosen = features
        .iter()
        .copied()
        .filter(|name| !LEFT_OUT.contains(name));
    let all: Vec<&str> = chosen.collect();
    let mut sets = vec![Vec::new()];
    sets.extend(all.iter().map(|name| vec![*name]));
    if all.len() > 1 {
        sets.push(all);
    }
    sets
}

fn error_chain(set: &[&str]) -> String {
    if set.is_empty() {
        return "none".into();
    }
    set.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_are_none_each_and_all() {
        assert_eq!(sets(&["cuda", "default"]), [[""; 0]]);
        assert_eq!(sets(&["cuda", "learned"]), [vec![], vec!["learned"]]);
        assert_eq!(
            sets(&["a", "b", "default"]),
            [vec![], vec!["a"], vec!["b"], vec!["a", "b"]]
        );
    }
}
