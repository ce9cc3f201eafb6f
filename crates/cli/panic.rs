//! Panics. Those of a library that a crate catches become its errors and print nothing; any
//! other is a bug of this program, and says so.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

use crate::terminal::say;

/// What is known of the last panic. Only the hook of the process sees where one began.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Runs the program. `None` after a panic, which has been told.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    set_hook(Box::new(remember));
    // Nothing of `run` is used after a panic.
    let result = catch_unwind(AssertUnwindSafe(run)).ok();
    if result.is_none() {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let what = last.unwrap_or_else(|| "of unknown cause".to_owned());
        say(&format!(
            "error: a bug in this program: {what}\n\nhint: please report it, with the command and what is printed with RUST_BACKTRACE=1"
        ));
    }
    result
}

fn remember(panic: &PanicHookInfo<'_>) {
    let mut what = panic.payload_as_str().unwrap_or("a panic").to_owned();
    if let Some(place) = panic.location() {
        what.push_str(&format!(", at {place}"));
    }
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        what.push_str(&format!("\n{backtrace}"));
    }
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
}
