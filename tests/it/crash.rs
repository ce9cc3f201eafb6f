//! The program is killed while it writes: what was committed is there, and the next run completes
//! it. `cargo xtask crash` does the same for longer.

#[path = "../../xtask/src/crash/trials.rs"]
mod trials;

use std::path::Path;

use self::trials::Trials;
use crate::fixtures::tiny_model;
use crate::util::Place;

const BM25: &str = "[bm25]\nanalyzer = \"german\"\nk1 = 0.9\nb = 0.4\nfields = \"concatenated\"\n";

fn kill(config: &str, kills: usize) {
    let here = Place::empty();
    let program = Path::new(env!("CARGO_BIN_EXE_treffer"));
    let mut trials = Trials::new(program, &here.path(""), config, 1).unwrap();
    for _ in 0..kills {
        // One that came too late is checked as well.
        trials
            .kill_one()
            .unwrap_or_else(|error| panic!("{error:?}"));
    }
    let killed: usize = trials.tallies.values().map(|tally| tally.killed).sum();
    assert!(killed > 0, "all came too late: {:?}", trials.tallies);
}

#[test]
fn a_killed_command_loses_nothing_that_was_committed() {
    kill(BM25, 8);
}

#[test]
fn a_killed_command_loses_no_vectors() {
    let model = tiny_model("tiny-bert-bi");
    kill(
        &format!("{BM25}\n[dense]\nmodel = {model:?}\nm = 8\nef_construction = 40\n"),
        4,
    );
}
