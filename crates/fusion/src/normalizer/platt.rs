//! A sigmoid fitted on judged scores.

use crate::normalizer::Normalizer;

/// Most steps of Newton's method, which usually converges in far fewer.
const STEPS: usize = 50;

impl Normalizer {
    /// The sigmoid that makes scores probabilities of relevance (Platt, Advances in Large
    /// Margin Classifiers, 1999), fitted by Newton's method with Platt's smoothed targets
    /// on pairs of a score and whether what was scored is relevant. `None` if nothing can
    /// be fitted: without pairs, if all or none are relevant, or if relevance does not rise
    /// with the score.
    pub fn platt(pairs: &[(f64, bool)]) -> Option<Self> {
        let n_relevant = pairs.iter().filter(|(_, is_relevant)| *is_relevant).count();
        let n_other = pairs.len() - n_relevant;
        if n_relevant == 0 || n_other == 0 {
            return None;
        }
        let high = (n_relevant as f64 + 1.0) / (n_relevant as f64 + 2.0);
        let low = 1.0 / (n_other as f64 + 2.0);
        // Standardized logits keep the numbers in a range in which Newton's method is stable.
        let n = pairs.len() as f64;
        let center = pairs.iter().map(|(logit, _)| logit).sum::<f64>() / n;
        let spread = pairs.iter().map(|(x, _)| (x - center).powi(2)).sum::<f64>() / n;
        let spread = spread.sqrt();
        if spread <= 0.0 || !spread.is_finite() {
            return None;
        }
        let (mut slope, mut offset) = (1.0, (n_relevant as f64 / n_other as f64).ln());
        for _ in 0..STEPS {
            let (mut g, mut h) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
            for (logit, is_relevant) in pairs {
                let x = (logit - center) / spread;
                let target = if *is_relevant { high } else { low };
                let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
                let (error, weight) = (p - target, p * (1.0 - p));
                g = [g[0] + error * x, g[1] + error];
                h = [h[0] + weight * x * x, h[1] + weight * x, h[2] + weight];
            }
            let determinant = h[0] * h[2] - h[1] * h[1];
            let step = [
                (h[2] * g[0] - h[1] * g[1]) / determinant,
                (h[0] * g[1] - h[1] * g[0]) / determinant,
            ];
            // A long step may leave the region in which the approximation is good.
            let length = step[0].hypot(step[1]);
            let factor = if length > 2.0 { 2.0 / length } else { 1.0 };
            slope -= factor * step[0];
            offset -= factor * step[1];
            if length < 1e-9 {
                break;
            }
        }
        let slope = slope / spread;
        let offset = offset - slope * center;
        let fitted = Normalizer::Sigmoid {
            slope: rounded(slope),
            offset: rounded(offset),
        };
        fitted.refusal().is_none().then_some(fitted)
    }
}

/// To six decimals, as profiles are read by people.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_finds_the_sigmoid_that_made_the_labels() {
        // Of a hundred pairs at each logit, as many are relevant as the sigmoid says.
        let (slope, offset) = (0.5, -1.0);
        let mut pairs = Vec::new();
        for step in -20..=20 {
            let logit = f64::from(step) / 2.0;
            let p = 1.0 / (1.0 + (-(slope * logit + offset)).exp());
            let n_relevant = (p * 1000.0).round() as usize;
            pairs.extend((0..1000).map(|at| (logit, at < n_relevant)));
        }
        let Some(Normalizer::Sigmoid {
            slope: a,
            offset: b,
        }) = Normalizer::platt(&pairs)
        else {
            panic!("no fit");
        };
        assert!(
            (a - slope).abs() < 0.01 && (b - offset).abs() < 0.02,
            "{a} {b}"
        );
    }

    #[test]
    fn where_nothing_can_be_fitted_there_is_no_fit() {
        assert_eq!(Normalizer::platt(&[]), None);
        assert_eq!(Normalizer::platt(&[(1.0, true), (2.0, true)]), None);
        assert_eq!(Normalizer::platt(&[(1.0, true), (1.0, false)]), None);
        let falling: Vec<(f64, bool)> = (0..100).map(|at| (f64::from(at), at < 50)).collect();
        assert_eq!(Normalizer::platt(&falling), None);
    }

    #[test]
    fn labels_that_a_logit_separates_give_a_finite_slope() {
        let pairs: Vec<(f64, bool)> = (0..100).map(|at| (f64::from(at), at >= 90)).collect();
        let Some(Normalizer::Sigmoid { slope, .. }) = Normalizer::platt(&pairs) else {
            panic!("no fit");
        };
        assert!(slope > 0.0 && slope.is_finite());
    }
}
