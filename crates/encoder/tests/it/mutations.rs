//! Files of a model folder with random faults: an error or a model, never a panic.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use treffer_encoder::exercise;

use crate::support::golden_path;

/// A generator of numbers that are the same in every run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// Values that nobody expects.
fn strange() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(1),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("../.."),
        json!("\u{0}\u{301}x"),
        json!("a".repeat(5000)),
        json!([]),
        json!({}),
        json!([[[[]]]]),
        json!({ "type": "Precompiled", "precompiled_charsmap": "/////w==" }),
        json!({ "type": "FixedLength", "length": 0 }),
    ]
}

/// Replaces, removes or repeats a random part of a JSON value.
fn mutate(value: &mut Value, random: &mut Random) {
    let here = random.below(4) == 0;
    match value {
        Value::Array(items) if !items.is_empty() && !here => {
            let at = random.below(items.len());
            match random.below(4) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => mutate(&mut items[at], random),
            }
        }
        Value::Object(fields) if !fields.is_empty() && !here => {
            let at = random.below(fields.len());
            let key = fields.keys().nth(at).unwrap().clone();
            match random.below(4) {
                0 => drop(fields.remove(&key)),
                1 => {
                    let moved = fields[&key].clone();
                    let other = random.below(fields.len());
                    if let Some(other) = fields.values_mut().nth(other) {
                        *other = moved;
                    }
                }
                _ => mutate(&mut fields[&key], random),
            }
        }
        _ => *value = random.of(&strange()),
    }
}

/// Flips, cuts or repeats bytes.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    match random.below(4) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => {
            let from = random.below(bytes.len());
            let part = bytes[from..(from + 64).min(bytes.len())].to_vec();
            let at = random.below(bytes.len());
            bytes.splice(at..at, part);
        }
        _ => {
            for _ in 0..=random.below(4) {
                // Most of the structure is in the small headers.
                let near = if random.below(2) == 0 {
                    2000
                } else {
                    usize::MAX
                };
                let at = random.below(bytes.len().min(near));
                bytes[at] ^= 1 << random.below(8);
            }
        }
    }
}

fn files_below(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.file_name().unwrap() != "golden.json" {
            found.push(path);
        }
    }
}

#[test]
fn no_fault_in_a_model_folder_makes_reading_it_panic() {
    let number = |variable: &str| std::env::var(variable).ok()?.parse().ok();
    let cases = number("TREFFER_MUTATIONS").unwrap_or(CASES);
    let mut random = Random(number("TREFFER_MUTATIONS_SEED").unwrap_or(0x5eed) as u64);
    for name in [
        "tiny-bert-bi",
        "tiny-bert-cross-3class",
        "tiny-xlmr-cross",
        "tiny-onnx-cross",
        "tiny-e5s1-bi",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        files_below(&golden_path(name), &mut files);
        files.sort();
        for from in &files {
            let below = from.strip_prefix(golden_path(name)).unwrap();
            let to = directory.path().join(below);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let whole = fs::read(from).unwrap();
            fs::write(&to, &whole).unwrap();
        }
        exercise(directory.path());
        for from in &files {
            let to = directory
                .path()
                .join(from.strip_prefix(golden_path(name)).unwrap());
            let whole = fs::read(from).unwrap();
            let json: Option<Value> = serde_json::from_slice(&whole).ok();
            for _ in 0..cases {
                let mut bytes = whole.clone();
                match &json {
                    Some(json) if random.below(4) > 0 => {
                        let mut json = json.clone();
                        for _ in 0..=random.below(3) {
                            mutate(&mut json, &mut random);
                        }
                        bytes = json.to_string().into_bytes();
                    }
                    _ => damage(&mut bytes, &mut random),
                }
                fs::write(&to, bytes).unwrap();
                exercise(directory.path());
            }
            fs::write(&to, whole).unwrap();
        }
    }
}

/// Faults of each file, unless the environment says `TREFFER_MUTATIONS`.
const CASES: usize = 60;
