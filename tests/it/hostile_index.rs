//! Indexes whose bytes were changed by somebody who then made every checksum right again:
//! a command may fail or find other documents, but it ends soon, within bounds, and without a
//! panic.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use treffer_disk::seal;
use treffer_engine::manifest::Manifest;
use treffer_testkit::Random;

use crate::fixtures::indexed_in_three_stages;
use crate::util::Place;

/// A search of so small an index takes milliseconds; this is for machines under load.
const PATIENCE: Duration = Duration::from_secs(60);
/// Address space of the program, in kB: some times what a search reserves.
const MEMORY_KB: u64 = 8 << 20;
/// Changes of each file; the variable `HOSTILE_CHANGES` asks for more.
const CHANGES: usize = 12;

/// Makes all checksums of an index right, whatever its files hold.
fn seal_again(index: &Path) {
    let mut manifest = Manifest::read(index).unwrap();
    for segment in &mut manifest.segments {
        for (part, record) in &mut segment.parts {
            *record = seal(&index.join(&segment.name).join(part)).unwrap();
        }
    }
    manifest.write(index).unwrap();
}

/// One change of some bytes, of kinds that break readers: large numbers, zeros, noise.
fn change(bytes: &mut [u8], rng: &mut Random) {
    let at = rng.below(bytes.len() as u64) as usize;
    let n = [1, 2, 4, 8][rng.below(4) as usize].min(bytes.len() - at);
    let kind = rng.below(3);
    for byte in &mut bytes[at..at + n] {
        *byte = match kind {
            0 => 0xff,
            1 => 0,
            _ => rng.below(256) as u8,
        };
    }
}

/// The program within bounds of memory.
fn bounded(here: &Place, words: &str) -> Child {
    let plain = here.command(words);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("ulimit -v {MEMORY_KB}; exec \"$0\" \"$@\""))
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(here.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for (key, value) in plain.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    shell.spawn().unwrap()
}

/// Its exit code and messages; an error if it had to be ended.
fn ended(mut child: Child) -> Result<(Option<i32>, String), ()> {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(());
        }
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), messages))
}

#[test]
fn a_hostile_index_neither_hangs_nor_panics_nor_takes_all_memory() {
    let here = indexed_in_three_stages();
    let mut rng = Random::new(17);
    let asked = std::env::var("HOSTILE_CHANGES").ok();
    let changes = asked.map_or(CHANGES, |n| n.parse().unwrap());
    let segment = here.path("index/segment-1");
    let files = here.files("index/segment-1");
    for (path, content) in files.iter().filter(|(_, content)| !content.is_empty()) {
        let name = path.strip_prefix(&segment).unwrap().display().to_string();
        if name.ends_with("checksums") {
            continue; // made anew with each change
        }
        for i in 0..changes {
            let mut bytes = content.clone();
            change(&mut bytes, &mut rng);
            fs::write(path, &bytes).unwrap();
            seal_again(&here.path("index"));
            for words in ["search index 'cold box'", "check index"] {
                let (code, messages) = ended(bounded(&here, words))
                    .unwrap_or_else(|()| panic!("`{words}` does not end: {name}, change {i}"));
                let is_sound =
                    matches!(code, Some(0..=2)) && !messages.contains("a bug in this program");
                assert!(
                    is_sound,
                    "`{words}`, {name}, change {i}: {code:?} {messages}"
                );
            }
        }
        fs::write(path, content).unwrap();
    }
    seal_again(&here.path("index"));
    here.treffer("search index 'cold box'").succeeds();
}
