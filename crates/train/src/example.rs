//! Lists of passages with what is known of them, which all training data comes down to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A query and passages with a value each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The query.
    pub query: String,
    /// At least one passage.
    pub passages: Vec<String>,
    /// One value for each passage.
    pub values: Vec<f32>,
    /// What the values are.
    pub kind: ValueKind,
    /// How much it counts, 1 if nothing is said.
    pub weight: f32,
    /// The file, by its number among those read, and the line.
    pub origin: (u32, u64),
}

/// What the values of an example are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueKind {
    /// Grades or classes: 0 for what is not relevant.
    Labels,
    /// Scores of a teacher, on any scale.
    Scores,
}

/// Examples of one or more files.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// The files, in the order in which they were read.
    pub files: Vec<PathBuf>,
    /// In the order of files and lines.
    pub all: Vec<Example>,
}

impl Examples {
    /// File and line of an example, for messages.
    pub fn origin(&self, example: &Example) -> String {
        let (file, line) = example.origin;
        let path = self.files.get(file as usize);
        let path = path.map_or_else(String::new, |path| path.display().to_string());
        format!("{path}:{line}")
    }
}
