//! Checks a whole index: that its files match the seal, and that their content is valid.

use std::path::Path;

use crate::error::{Error, Owner};
use crate::index::LateIndex;
use crate::lists::{LIST_CENTROIDS, LISTS, Lists, distinct};
use crate::part::{LatePart, Part};
use crate::tokens::{KEPT_TOLERANCE, Stored, check_unit};

/// Reports each problem with the file that has it.
type Report<'a> = &'a mut dyn FnMut(&Path, String);

impl LateIndex {
    /// Reads everything and reports what is wrong, with the file: bytes that are not as they
    /// were written; passages out of order or without tokens, vectors that are not of length 1,
    /// lists that do not have every passage.
    /// Reports nothing for an intact index.
    pub fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        self.parts.iter().for_each(|part| verify(part, report));
    }

    /// Opens the vectors of a folder of which nothing but the lists is damaged, so that they can be
    /// copied; `None` if more is. Documents keep their numbers.
    pub fn open_vectors(dir: &Path) -> Option<Self> {
        let part = Part::without_lists(&LatePart {
            dir,
            first_doc: 0,
            deleted: None,
        });
        let index = LateIndex {
            parts: vec![part.ok()?],
        };
        let mut is_sound = true;
        index.verify(&mut |path, _| {
            let of_lists = [LISTS, LIST_CENTROIDS]
                .iter()
                .any(|name| path.ends_with(name));
            is_sound &= of_lists;
        });
        is_sound.then_some(index)
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
    if let Some(lists) = &part.lists
        && let Err(what) = check_lists(part, lists)
    {
        report(lists.path(), what);
    }
}

/// Says what is wrong with lists: they have every passage, and of residuals once for each centroid
/// of its tokens. Of other vectors, the nearest centroids would have to be found anew.
fn check_lists(part: &Part, lists: &Lists) -> Result<(), String> {
    let width = part.tokens.width();
    let centroids = lists.centroids().map_err(reason_of)?;
    for (number, vector) in centroids.chunks_exact(width).enumerate() {
        let squared: f32 = vector.iter().map(|value| value * value).sum();
        // Which NaN is not.
        let is_unit = (squared - 1.0).abs() < 1e-3;
        if !is_unit {
            return Err(format!("its centroid {number} is not of length 1"));
        }
    }
    let rows = part.passages.len();
    let mut of_row = vec![Vec::new(); rows];
    for centroid in 0..lists.len() {
        // A centroid has a number of two bytes.
        let add = |row: u32| of_row[row as usize].push(centroid as u16);
        lists.for_each(centroid, add).map_err(reason_of)?;
    }
    for (row, listed) in (0..).zip(&of_row) {
        let (passage, stored, _) = part.stored(row).map_err(reason_of)?;
        let is_right = match stored {
            Stored::Residual { numbers, .. } => *listed == distinct(numbers),
            _ => !listed.is_empty(),
        };
        if !is_right {
            let passage = Owner::Passage(passage);
            return Err(format!("it does not list {passage} by its tokens"));
        }
    }
    Ok(())
}

/// What is wrong, without the path, which is reported beside it.
fn reason_of(error: Error) -> String {
    match error {
        Error::Damaged { reason, .. } => reason,
        other => other.to_string(),
    }
}
