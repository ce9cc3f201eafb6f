//! Times of several rounds as tables show them.

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => None,
        n => Some((sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0),
    }
}

/// The fastest and the slowest of times in milliseconds, as in `1.23 ms to 2.34 ms`.
pub(super) fn extremes(milliseconds: &[f64]) -> String {
    let times = || milliseconds.iter().copied();
    match (
        times().min_by(f64::total_cmp),
        times().max_by(f64::total_cmp),
    ) {
        (Some(fastest), Some(slowest)) => {
            format!("{} to {}", duration(fastest), duration(slowest))
        }
        _ => "-".to_owned(),
    }
}

/// A time with three digits or so, in milliseconds or seconds.
pub(super) fn duration(milliseconds: f64) -> String {
    match milliseconds {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn times_are_told_from_the_fastest_to_the_slowest() {
        assert_eq!(extremes(&[2000.0, 1.234, 100.0]), "1.23 ms to 2.00 s");
        assert_eq!(extremes(&[]), "-");
    }
}
