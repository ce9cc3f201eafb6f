//! Rankings as a TREC run.

use std::io::Write;

use anyhow::Result;
use treffer_eval::{Run, write_run};

use super::Format;

/// A TREC run with the tag `treffer`.
pub(crate) struct Trec;

/// A result that is a ranking.
pub(crate) trait AsRun {
    /// The ranking by query.
    fn run(&self) -> Run;
}

impl<R: AsRun> Format<R> for Trec {
    fn write(&self, result: &R, out: &mut dyn Write) -> Result<()> {
        Ok(write_run(out, &result.run(), "treffer")?)
    }
}
