//! Turns panics of the tokenizers library into errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use treffer_types::BoxError;

/// Runs `work` and turns a panic into an error; the library panics on some tokenizers that a
/// file can describe, and on some texts with them.
pub(crate) fn guard<T>(work: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    // A tokenizer changes nothing but its cache, which a panic leaves as it was or poisoned,
    // and a poisoned one is not used again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("an unknown panic");
        Err(format!("the tokenizers library panicked: {message}").into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let lengths: [usize; 2] = [1, 0];
        let cut = |length: usize| guard(move || Ok([5; 3].chunks(length).count()));
        let error = cut(lengths[1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the tokenizers library panicked: chunk size must be non-zero"
        );
        assert_eq!(cut(lengths[0]).unwrap(), 3);
    }
}
