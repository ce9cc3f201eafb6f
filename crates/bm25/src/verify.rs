//! Checks a whole index: that its files match the seal, and that its columns are valid.

use std::path::Path;

use crate::error::Error;
use crate::index::Bm25Index;
use crate::part::Part;

impl Bm25Index {
    /// Reads everything, part by part, and reports what is wrong, with the file. Reports nothing for an
    /// intact index.
    pub fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        for part in &self.parts {
            part.verify(report);
        }
    }
}

impl Part {
    fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        let is_whole = self
            .sealed()
            .verify(&mut |path, problem| report(path, problem.to_string()));
        // Contents of damaged files would only be reported as damaged again.
        if !is_whole {
            return;
        }
        let checked = self.check(&mut *report);
        if let Err(error) = checked {
            let reason = match error {
                Error::Damaged { reason, .. } => reason,
                other => other.to_string(),
            };
            report(self.dir(), reason);
        }
    }
}
