//! softmax(Q K^T / sqrt d) V in each head of each sequence, and its derivative.

use treffer_kernels::floats::{self, Into, Matrix, Products};

use super::{Dropout, LayerTape, Model, Pack, Site, resize};

impl Model {
    fn head_width(&self) -> usize {
        self.shape.hidden / self.shape.heads
    }

    /// From `query` and `key_value` to `context`, keeping `probabilities` from before values
    /// are dropped.
    pub(super) fn attend(
        &self,
        layer: usize,
        pack: &Pack,
        dropout: Option<Dropout>,
        is_narrow: bool,
        products: &mut Products,
        tape: &mut LayerTape,
    ) {
        let (hidden, heads, width) = (self.shape.hidden, self.shape.heads, self.head_width());
        let scale = 1.0 / (width as f32).sqrt();
        resize(&mut tape.context, tape.query.len());
        let pairs: usize = pack
            .spans()
            .map(|span| span.len() * queries(&span, is_narrow))
            .sum();
        resize(&mut tape.probabilities, pairs * heads);
        let mut dropped = Vec::new();
        let mut done = 0;
        for (sequence, span) in pack.spans().enumerate() {
            let (keys, queries) = (span.len(), queries(&span, is_narrow));
            let first = if is_narrow { sequence } else { span.start };
            let end = done + heads * queries * keys;
            let all = &mut tape.probabilities[done..end];
            for (head, scores) in all.chunks_exact_mut(queries * keys).enumerate() {
                let query = &tape.query[first * hidden + head * width..];
                let key = &tape.key_value[span.start * 2 * hidden + head * width..];
                let query = Matrix::strided(query, queries, width, hidden);
                let key = Matrix::strided(key, keys, width, 2 * hidden).transposed();
                products.multiply(scores, keys, query, key, scale, Into::Set);
            }
            floats::softmax(all, keys);
            let mut used: &[f32] = all;
            if let Some(dropout) = dropout {
                dropped.clear();
                dropped.extend_from_slice(all);
                dropout.apply(
                    Site::Probabilities(layer),
                    pack.keys[sequence],
                    &mut dropped,
                );
                used = &dropped;
            }
            for (head, weights) in used.chunks_exact(queries * keys).enumerate() {
                let value = &tape.key_value[span.start * 2 * hidden + hidden + head * width..];
                let value = Matrix::strided(value, keys, width, 2 * hidden);
                let context = &mut tape.context[first * hidden + head * width..];
                let weights = Matrix::new(weights, queries, keys);
                products.multiply(context, hidden, weights, value, 1.0, Into::Set);
            }
            done = end;
        }
    }

    /// From the gradient of `context` to those of `query` and `key_value`.
    #[expect(
        clippy::too_many_arguments,
        reason = "three gradients and what they are of"
    )]
    pub(super) fn attend_backward(
        &self,
        layer: usize,
        pack: &Pack,
        dropout: Option<Dropout>,
        is_narrow: bool,
        products: &mut Products,
        tape: &LayerTape,
        context: &[f32],
        query_gradient: &mut Vec<f32>,
        key_value_gradient: &mut Vec<f32>,
    ) {
        let (hidden, heads, width) = (self.shape.hidden, self.shape.heads, self.head_width());
        let scale = 1.0 / (width as f32).sqrt();
        resize(query_gradient, tape.query.len());
        resize(key_value_gradient, tape.key_value.len());
        let (mut slopes, mut dropped) = (Vec::new(), Vec::new());
        let mut done = 0;
        for (sequence, span) in pack.spans().enumerate() {
            let (keys, queries) = (span.len(), queries(&span, is_narrow));
            let first = if is_narrow { sequence } else { span.start };
            let end = done + heads * queries * keys;
            let all = &tape.probabilities[done..end];
            resize(&mut slopes, all.len());
            let mut used = all;
            if let Some(dropout) = dropout {
                dropped.clear();
                dropped.extend_from_slice(all);
                dropout.apply(
                    Site::Probabilities(layer),
                    pack.keys[sequence],
                    &mut dropped,
                );
                used = &dropped;
            }
            let stride = 2 * hidden;
            for head in 0..heads {
                let block = head * queries * keys..(head + 1) * queries * keys;
                let context = &context[first * hidden + head * width..];
                let context = Matrix::strided(context, queries, width, hidden);
                let at = span.start * stride + hidden + head * width;
                let value = Matrix::strided(&tape.key_value[at..], keys, width, stride);
                let weights = Matrix::new(&used[block.clone()], queries, keys);
                let gradient = &mut key_value_gradient[at..];
                products.multiply(
                    gradient,
                    stride,
                    weights.transposed(),
                    context,
                    1.0,
                    Into::Set,
                );
                let slopes = &mut slopes[block];
                products.multiply(slopes, keys, context, value.transposed(), 1.0, Into::Set);
            }
            if let Some(dropout) = dropout {
                dropout.apply(Site::Probabilities(layer), pack.keys[sequence], &mut slopes);
            }
            floats::softmax_backward(&mut slopes, all, keys, scale);
            for (head, slopes) in slopes.chunks_exact(queries * keys).enumerate() {
                let slopes = Matrix::new(slopes, queries, keys);
                let at = first * hidden + head * width;
                let key_at = span.start * stride + head * width;
                let key = Matrix::strided(&tape.key_value[key_at..], keys, width, stride);
                let gradient = &mut query_gradient[at..];
                products.multiply(gradient, hidden, slopes, key, 1.0, Into::Set);
                let query = Matrix::strided(&tape.query[at..], queries, width, hidden);
                let gradient = &mut key_value_gradient[key_at..];
                products.multiply(gradient, stride, slopes.transposed(), query, 1.0, Into::Set);
            }
            done = end;
        }
    }
}

/// Number of queries of a sequence.
fn queries(span: &std::ops::Range<usize>, is_narrow: bool) -> usize {
    if is_narrow { 1 } else { span.len() }
}
