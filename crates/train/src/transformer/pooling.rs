//! From the states of a sequence to one vector of length 1, and its derivative.

use treffer_kernels::floats;

use super::{Model, Pack, Tape, resize};
use crate::shape::Output;

impl Model {
    /// The rows after the last layer that a sequence's vector is made of.
    fn pooled(&self, sequence: usize, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let rows = match self.output {
            Output::MeanVector => span,
            Output::FirstVector | Output::Logits => sequence..sequence + 1,
        };
        rows.start * self.shape.hidden..rows.end * self.shape.hidden
    }

    /// From the states after the last layer to `tape.vectors`.
    ///
    /// The mean has the direction of the sum, and only the direction is left of either, so that
    /// neither this nor the derivative needs the number of tokens. A sum of length 0 has no
    /// direction: its vector is not finite, which ends a training.
    pub(super) fn pool(&self, pack: &Pack, tape: &mut Tape) {
        let hidden = self.shape.hidden;
        let Tape {
            last,
            vectors,
            inverse,
            ..
        } = tape;
        vectors.clear();
        vectors.resize(pack.sequences() * hidden, 0.0);
        inverse.clear();
        let rows = vectors.chunks_exact_mut(hidden).zip(pack.spans());
        for (sequence, (vector, span)) in rows.enumerate() {
            for state in last[self.pooled(sequence, span)].chunks_exact(hidden) {
                floats::add(vector, state);
            }
            let square: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let length = square.sqrt();
            inverse.push((1.0 / length) as f32);
            for x in vector {
                *x = (f64::from(*x) / length) as f32;
            }
        }
    }

    /// Sets `flow` to the gradient of the states after the last layer, given that of the
    /// vectors: of u = s / |s|, it is (g - (g u) u) / |s|, for each of the states in the sum s.
    pub(super) fn pool_backward(
        &self,
        pack: &Pack,
        tape: &Tape,
        slopes: &[f32],
        flow: &mut Vec<f32>,
    ) {
        let hidden = self.shape.hidden;
        resize(flow, tape.last.len());
        let rows = tape.vectors.chunks_exact(hidden).zip(&tape.inverse);
        let rows = rows.zip(slopes.chunks_exact(hidden)).zip(pack.spans());
        for (sequence, (((vector, &inverse), slopes), span)) in rows.enumerate() {
            let products = vector.iter().zip(slopes);
            let along: f64 = products.map(|(&u, &g)| f64::from(u) * f64::from(g)).sum();
            for state in flow[self.pooled(sequence, span)].chunks_exact_mut(hidden) {
                for ((flow, &u), &g) in state.iter_mut().zip(vector).zip(slopes) {
                    *flow = (f64::from(g) - along * f64::from(u)) as f32 * inverse;
                }
            }
        }
    }
}
