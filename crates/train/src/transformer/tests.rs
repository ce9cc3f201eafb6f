//! Comparisons with the reference and with differences.
