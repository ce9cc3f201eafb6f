//! The wall around tantivy: its errors and its panics leave this crate as [`Error`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::error::Error;

/// Runs `work`; a panic, which tantivy answers some damaged files with, becomes an error.
pub(crate) fn guard<T>(
    action: &'static str,
    dir: &Path,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    // Nothing that `work` borrows is used again after a panic but to be dropped, or is
    // only read.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("an unknown panic");
        Err(Error::Backend {
            action,
            dir: dir.to_owned(),
            source: format!("the index library panicked: {message}").into(),
        })
    })
}

/// Turns an error of tantivy, or of reading its files, into ours.
pub(crate) fn backend<E: std::error::Error + Send + Sync + 'static>(
    action: &'static str,
    dir: &Path,
) -> impl FnOnce(E) -> Error {
    move |source| Error::Backend {
        action,
        dir: dir.to_owned(),
        source: Box::new(source),
    }
}
