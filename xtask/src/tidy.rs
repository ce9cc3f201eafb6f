//! `cargo xtask tidy`: the project's rules that no other tool checks.
//!
//! [`dependencies`] holds who may depend on whom, [`cycles`] that modules form none,
//! [`sources`] what every source file and every tracked text must and must not hold,
//! [`map`] what `crates/README.md` and each library must show, [`data`] that
//! data/README.md tells the truth.

mod cycles;
mod data;
mod dependencies;
mod map;
mod sources;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Prints every broken rule. Fails if there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = workspace.files()?;
    let mut problems = dependencies::problems(&workspace.packages);
    problems.extend(map::problems(workspace)?);
    problems.extend(cycles::problems(workspace, &files)?);
    let mut n_texts = 0;
    let mut lengths = Vec::new();
    for file in &files {
        let bytes = fs::read(workspace.root.join(file))
            .with_context(|| format!("could not read {file}"))?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue; // pictures and other binary files
        };
        n_texts += 1;
        problems.extend(sources::problems(file, &text));
        if file.ends_with(".rs") {
            lengths.push((file.as_str(), text.lines().count()));
        }
    }
    problems.extend(sources::length_problems(&lengths));
    problems.extend(data::problems(&workspace.root, &files)?);
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => {
            let n_packages = workspace.packages.len();
            println!("{n_packages} packages and {n_texts} text files are tidy");
            Ok(())
        }
        1 => bail!("1 rule is broken"),
        n => bail!("{n} rules are broken"),
    }
}
