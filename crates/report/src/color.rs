//! One scale of color for values: even to the eye, also in gray and with color blindness.

/// The color of a share in 0..=1, as in `#440154`: the scale "viridis" (Smith and van
/// der Walt, 2015), whose lightness rises evenly, so that it also reads in gray. Between
/// its anchors the color is mixed linearly.
pub(crate) fn color(share: f64) -> String {
    let place = share.clamp(0.0, 1.0) * (ANCHORS.len() - 1) as f64;
    let below = (place.floor() as usize).min(ANCHORS.len() - 2);
    let mix = place - below as f64;
    let channel = |at: usize| {
        let (low, high) = (
            f64::from(ANCHORS[below][at]),
            f64::from(ANCHORS[below + 1][at]),
        );
        (low + (high - low) * mix).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(0), channel(1), channel(2))
}

/// At 0, 0.1, ... 1.
const ANCHORS: [[u8; 3]; 11] = [
    [68, 1, 84],
    [72, 36, 117],
    [65, 68, 135],
    [53, 95, 141],
    [42, 120, 142],
    [33, 145, 140],
    [34, 168, 132],
    [68, 191, 112],
    [122, 209, 81],
    [189, 223, 38],
    [253, 231, 37],
];

/// Places a value on a scale from `low` to `high`; the middle of an empty one.
pub(crate) fn share(value: f64, low: f64, high: f64) -> f64 {
    if high > low {
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    } else {
        0.5
    }
}

/// Round numbers that divide `low..=high` into some four to nine steps, both ends
/// covered, and the decimals that they need.
pub(crate) fn ticks(low: f64, high: f64) -> (Vec<f64>, usize) {
    let span = (high - low).max(1e-9);
    let power = 10_f64.powf((span / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| span / step >= 3.0)
        .unwrap_or(power);
    let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let n = (last - first) as usize;
    (
        (0..=n).map(|at| (first + at as f64) * step + 0.0).collect(),
        decimals,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lightness(color: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn a_larger_value_is_lighter() {
        let lightness: Vec<f64> = (0..=100)
            .map(|percent| lightness(&color(f64::from(percent) / 100.0)))
            .collect();
        assert!(lightness.is_sorted_by(|a, b| a < b), "{lightness:?}");
    }

    #[test]
    fn values_beyond_the_ends_have_the_colors_of_the_ends() {
        assert_eq!(color(-1.0), "#440154");
        assert_eq!(color(2.0), "#fde725");
        assert_eq!(color(share(3.0, 3.0, 3.0)), color(0.5));
    }

    #[test]
    fn ticks_are_round_and_cover_the_range() {
        let shown = |low, high| {
            let (ticks, decimals) = ticks(low, high);
            ticks
                .iter()
                .map(|tick| format!("{tick:.decimals$}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            shown(-0.031, 0.085),
            [
                "-0.04", "-0.02", "0.00", "0.02", "0.04", "0.06", "0.08", "0.10"
            ]
        );
        assert_eq!(shown(0.0, 430.0), ["0", "100", "200", "300", "400", "500"]);
        for (low, high) in [(0.0, 0.0), (1.0, 1.0), (-1e-12, 1e-12)] {
            let (ticks, _) = ticks(low, high);
            assert!(ticks.len() < 20 && ticks.iter().all(|tick| tick.is_finite()));
        }
    }
}
