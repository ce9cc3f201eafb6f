//! `cargo xtask crash`: the program is killed at random moments while it writes, and nothing that
//! was committed is lost.
//!
//! Half of the kills are with BM25 alone, half with a bi-encoder, a tiny one of `data/golden`. A
//! kill leaves what the operating system knows; what a power cut leaves is tested in
//! `crates/engine/tests/it/crash.rs`.

mod trials;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use self::trials::Trials;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often the program is killed
    #[arg(long, default_value = "200", value_name = "N")]
    kills: usize,
    /// The same seed kills in the same commands, about as late
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,
    /// The program, instead of one that is built as users build it
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// An index whose compounds are cut.
const BM25: &str = "[bm25]\nanalyzer = \"german\"\nk1 = 0.9\nb = 0.4\nfields = \"concatenated\"\n";

/// Kills the program, and prints how often and what was found. Fails at the first loss, and leaves
/// the folder as it is then.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let program = match &arguments.program {
        Some(program) => fs::canonicalize(program)
            .with_context(|| format!("could not find {}", program.display()))?,
        None => workspace.build_program()?,
    };
    let model = workspace.root.join("data/golden/tiny-bert-bi");
    let dense = format!("{BM25}\n[dense]\nmodel = {model:?}\nm = 8\nef_construction = 40\n");
    let half = arguments.kills / 2;
    for (name, config, kills) in [
        ("bm25", BM25, arguments.kills - half),
        ("bm25 and dense", &dense, half),
    ] {
        let folder = workspace.target.join("crash").join(name.replace(' ', "-"));
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("could not remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not create {}", folder.display()))?;
        let lost = || format!("with {name}, see {}", folder.display());
        let mut trials =
            Trials::new(&program, &folder, config, arguments.seed).with_context(lost)?;
        let (mut killed, mut late) = (0, 0);
        while killed < kills {
            if trials.kill_one().with_context(lost)? {
                killed += 1;
            } else {
                late += 1;
            }
        }
        println!("{name}: {killed} kills, nothing lost; {late} came too late");
        for (kind, tally) in &trials.tallies {
            println!("  {kind:?} {tally}");
        }
    }
    Ok(())
}
