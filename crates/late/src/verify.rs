//! Checks a whole index: that its files match the seal, and that their content is valid.

use std::path::Path;

use crate::error::{Error, Owner};
use crate::index::LateIndex;
use crate::part::Part;
use crate::tokens::{KEPT_TOLERANCE, check_unit};

/// Reports each problem with the file that has it.
type Report<'a> = &'a mut dyn FnMut(&Path, String);

impl LateIndex {
    /// Reads everything and reports what is wrong, with the file: bytes that are not as they
    /// were written; passages out of order or without tokens, vectors that are not of length 1.
    /// Reports nothing for an intact index.
    pub fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        self.parts.iter().for_each(|part| verify(part, report));
    }
}

fn verify(part: &Part, report: Report<'_>) {
    let is_whole = part
        .sealed
        .verify(&mut |path, problem| report(path, problem.to_string()));
    // Contents of damaged files would only be reported as damaged again.
    if !is_whole {
        return;
    }
    let mut last = None;
    let width = part.tokens.width();
    let mut values = Vec::new();
    for row in 0..part.passages.len() as u32 {
        let (passage, stored) = match part.stored(row) {
            Ok((passage, stored, _)) => (passage, stored),
            Err(error) => return report(part.passages.path(), reason_of(error)),
        };
        let owner = Owner::Passage(passage);
        if last.is_some_and(|last| passage <= last) {
            report(part.passages.path(), format!("{owner} is out of order"));
        }
        last = Some(passage);
        stored.values(width, &mut values);
        for (token, vector) in values.chunks_exact(width).enumerate() {
            if let Err(error) = check_unit(owner, token, vector, KEPT_TOLERANCE) {
                report(part.tokens.path(), error.to_string());
                break;
            }
        }
    }
}

/// What is wrong, without the path, which is reported beside it.
fn reason_of(error: Error) -> String {
    match error {
        Error::Damaged { reason, .. } => reason,
        other => other.to_string(),
    }
}
