//! The operations in f32 on the CPU, one value after the other.

use std::convert::Infallible;

use super::{FeedForward, Norm, Operations, Packing, Queries};

/// The oracle: no instructions, no threads, no rounding to fewer bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scalar;

/// Rows of f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    values: Vec<f32>,
    width: usize,
}

impl Rows {
    fn each(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..][..self.width]
    }
}

impl Operations for Scalar {
    type Matrix = Rows;
    type Vector = Vec<f32>;
    type Packed = Packing;
    type Error = Infallible;

    fn supports(&self, hidden: usize, heads: usize, _inner: usize) -> bool {
        hidden.is_multiple_of(heads)
    }

    fn matrix(&self, values: &[f32], width: usize) -> Result<Rows, Infallible> {
        assert!(
            width > 0 && values.len().is_multiple_of(width),
            "rows of {width} values"
        );
        Ok(Rows {
            values: values.to_vec(),
            width,
        })
    }

    fn vector(&self, values: &[f32]) -> Result<Vec<f32>, Infallible> {
        Ok(values.to_vec())
    }

    fn pack(&self, packing: &Packing) -> Result<Packing, Infallible> {
        Ok(packing.clone())
    }

    fn embed(
        &self,
        tables: [&Rows; 3],
        rows: [&[u32]; 3],
        norm: &Norm<Vec<f32>>,
    ) -> Result<Rows, Infallible> {
        let width = tables[0].width;
        let mut values = Vec::with_capacity(rows[0].len() * width);
        for ((&a, &b), &c) in rows[0].iter().zip(rows[1]).zip(rows[2]) {
            let rows = [a, b, c];
            let row = |table: usize| tables[table].row(rows[table] as usize);
            let sum: Vec<f32> = (0..width)
                .map(|i| row(0)[i] + row(1)[i] + row(2)[i])
                .collect();
            values.extend(normed(&sum, norm));
        }
        Ok(Rows { values, width })
    }

    fn product(&self, x: &Rows, weight: &Rows) -> Result<Rows, Infallible> {
        assert_eq!(x.width, weight.width, "inputs of a product");
        let mut values = Vec::new();
        for row in x.each() {
            values.extend(weight.each().map(|output| dot(row, output) as f32));
        }
        let width = weight.values.len() / weight.width;
        Ok(Rows { values, width })
    }

    fn activate(
        &self,
        mut x: Rows,
        bias: &Vec<f32>,
        activation: FeedForward,
    ) -> Result<Rows, Infallible> {
        for row in x.values.chunks_exact_mut(x.width) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value = activated(f64::from(*value + bias), activation) as f32;
            }
        }
        Ok(x)
    }

    fn add_norm(
        &self,
        x: &Rows,
        bias: &Vec<f32>,
        residual: &Rows,
        norm: &Norm<Vec<f32>>,
    ) -> Result<Rows, Infallible> {
        assert_eq!(
            x.values.len(),
            residual.values.len(),
            "rows of a residual sum"
        );
        let mut values = Vec::with_capacity(x.values.len());
        for (row, residual) in x.each().zip(residual.each()) {
            let terms = row.iter().zip(bias).zip(residual);
            let sum: Vec<f32> = terms
                .map(|((x, bias), residual)| x + bias + residual)
                .collect();
            values.extend(normed(&sum, norm));
        }
        Ok(Rows {
            values,
            width: x.width,
        })
    }

    fn attend(
        &self,
        product: &Rows,
        bias: &Vec<f32>,
        heads: usize,
        packed: &Packing,
        queries: Queries,
    ) -> Result<Rows, Infallible> {
        let hidden = product.width / 3;
        let width = hidden / heads;
        let part = |row: usize, part: usize, head: usize| -> Vec<f32> {
            let from = part * hidden + head * width;
            let values = product.row(row)[from..from + width].iter();
            values
                .zip(&bias[from..])
                .map(|(value, bias)| value + bias)
                .collect()
        };
        let mut values = Vec::new();
        for (start, end) in packed.each() {
            let asked = match queries {
                Queries::All => start..end,
                Queries::First => start..start + 1,
            };
            for row in asked {
                for head in 0..heads {
                    let query = part(row, 0, head);
                    let scores: Vec<f64> = (start..end)
                        .map(|key| dot(&query, &part(key, 1, head)) / (width as f64).sqrt())
                        .collect();
                    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
                    let sum: f64 = weights.iter().sum();
                    let mut mixed = vec![0f64; width];
                    for (key, weight) in (start..end).zip(&weights) {
                        for (mixed, value) in mixed.iter_mut().zip(part(key, 2, head)) {
                            *mixed += weight / sum * f64::from(value);
                        }
                    }
                    values.extend(mixed.iter().map(|&value| value as f32));
                }
            }
        }
        Ok(Rows {
            values,
            width: hidden,
        })
    }

    fn first_rows(&self, x: &Rows, packed: &Packing) -> Result<Rows, Infallible> {
        let rows = packed.each().flat_map(|(start, _)| x.row(start));
        Ok(Rows {
            values: rows.copied().collect(),
            width: x.width,
        })
    }

    fn values(&self, x: &Rows) -> Result<Vec<f32>, Infallible> {
        Ok(x.values.clone())
    }

    fn synchronize(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a) * f64::from(b))
        .sum()
}

fn normed<'a>(row: &'a [f32], norm: &'a Norm<Vec<f32>>) -> impl Iterator<Item = f32> + 'a {
    let count = row.len() as f64;
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let squares = row.iter().map(|&x| (f64::from(x) - mean).powi(2));
    let scale = 1.0 / (squares.sum::<f64>() / count + f64::from(norm.eps)).sqrt();
    let terms = row.iter().zip(&norm.weight).zip(&norm.bias);
    terms.map(move |((&x, &weight), &bias)| {
        ((f64::from(x) - mean) * scale * f64::from(weight) + f64::from(bias)) as f32
    })
}

fn activated(x: f64, activation: FeedForward) -> f64 {
    match activation {
        FeedForward::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        FeedForward::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        FeedForward::Relu => x.max(0.0),
    }
}

/// The error function by the series 2 / sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!, whose
/// terms all have one sign.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum(); // to the last bit
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    sum * 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_has_its_known_values() {
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (3.0, 0.999_977_909_5),
        ] {
            assert!((erf(x) - expected).abs() < 1e-9, "{x}");
            assert_eq!(erf(-x), -erf(x));
        }
        assert!((erf(5.999) - 1.0).abs() < 1e-14);
    }

    #[test]
    fn attention_by_hand() {
        // One head of two values; queries, keys and values in a row.
        let product = Scalar.matrix(
            &[
                1.0,
                0.0,
                0.0,
                0.0,
                1.0,
                2.0,
                0.0,
                1.0,
                2f32.sqrt() * 3f32.ln(),
                0.0,
                3.0,
                4.0,
            ],
            6,
        );
        let product = product.unwrap();
        let packing = Packing::new([2]);
        let bias = vec![0.0; 6];
        let found = Scalar
            .attend(&product, &bias, 1, &packing, Queries::All)
            .unwrap();
        // Scores of the first query are 0 and ln 3, those of the second both 0.
        let expected = [2.5, 3.5, 2.0, 3.0];
        for (a, b) in found.values.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{:?}", found.values);
        }
        let first = Scalar
            .attend(&product, &bias, 1, &packing, Queries::First)
            .unwrap();
        assert_eq!(first.values, found.values[..2]);
    }
}
