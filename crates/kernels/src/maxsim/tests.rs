//! MaxSim and the nearest tokens against their definitions, on every instruction set.

use proptest::prelude::*;

use super::*;
use crate::testing::all;

/// The definition, in the simplest form.
fn naive(query: &[f32], document: &[f32], width: usize) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y));
        products.sum()
    };
    let tokens = query.chunks_exact(width);
    let greatest = tokens.map(|token| {
        let products = document.chunks_exact(width).map(|other| dot(token, other));
        products.fold(f64::NEG_INFINITY, f64::max)
    });
    greatest.sum()
}

/// Pseudo-random values in -1..1.
fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn check(width: usize, tokens: usize, others: usize, seed: u32) {
    let query = values(tokens * width, seed);
    let codes: Vec<i8> = values(others * width, seed + 1)
        .iter()
        .map(|value| (value * 127.9) as i8)
        .collect();
    let scales: Vec<f32> = values(others, seed + 2)
        .iter()
        .map(|value| value.abs() * 0.01 + 1e-4)
        .collect();
    let document: Vec<f32> = codes
        .chunks_exact(width)
        .zip(&scales)
        .flat_map(|(codes, scale)| codes.iter().map(move |code| f32::from(*code) * scale))
        .collect();
    let expected = naive(&query, &document, width);
    let mut found = Vec::new();
    for isa in all() {
        let floats = Query::for_floats(isa, &query, width).of_floats(&document);
        let packed = Query::for_bytes(isa, &query, width);
        assert_eq!((packed.tokens(), packed.width()), (tokens, width));
        // Memory of a larger document does not matter.
        let mut scratch = Scratch(vec![u32::MAX; 7 * width + 3]);
        let bytes = packed.of_bytes(&codes, &scales, &mut scratch);
        found.push((floats.to_bits(), bytes.to_bits()));
        let size: f64 = (tokens * width) as f64;
        assert!(
            (f64::from(floats) - expected).abs() < 1e-6 * size + 1e-6,
            "{isa:?}"
        );
        // Each value of the query is off by at most half of 1/127 of the greatest.
        let off = size * 1.3 / 254.0 * 1.0001;
        assert!(
            (f64::from(bytes) - expected).abs() < off,
            "{isa:?} {bytes} {expected}"
        );
    }
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{found:?}");
}

#[test]
fn every_instruction_set_gives_the_same_bits_near_the_naive_form() {
    for width in [1, 2, 3, 5, 31, 64, 96, 100, 384] {
        for (tokens, others) in [(1, 1), (2, 7), (15, 3), (16, 12), (17, 25), (40, 40)] {
            check(width, tokens, others, (width * 1000 + tokens) as u32);
        }
    }
}

#[test]
fn a_product_of_bytes_is_exact() {
    for isa in all() {
        // Multiples of a scale by bytes are not rounded again.
        let query = Query::for_bytes(isa, &[127.0, -127.0, 1.0, 0.0, 64.0, 3.0], 3);
        let codes = [-128, 5, 9, 100, -100, 7];
        let found = query.of_bytes(&codes, &[1.0, 0.5], &mut Scratch::default());
        // 127 * 100 + 127 * 100 + 7, halved; and -100 * 64 + 21, halved, against 5 * 64 + 27.
        assert_eq!(found, 12_703.5 + 347.0, "{isa:?}");
    }
}

#[test]
fn nothing_to_compare_has_no_similarity() {
    for isa in all() {
        assert_eq!(Query::for_floats(isa, &[], 4).of_floats(&[1.0; 4]), 0.0);
        let empty = Query::for_floats(isa, &[1.0; 4], 4).of_floats(&[]);
        assert_eq!(empty, f32::NEG_INFINITY);
        let query = Query::for_bytes(isa, &[1.0; 4], 4);
        let empty = query.of_bytes(&[], &[], &mut Scratch::default());
        assert_eq!(empty, f32::NEG_INFINITY);
    }
}

/// The nearest tokens by the definition; how much greater the greatest product is than others.
#[test]
fn the_nearest_tokens_are_those_that_maxsim_counts() {
    for width in [1, 3, 16, 96] {
        for (tokens, others) in [(1, 1), (3, 7), (16, 12), (17, 25), (40, 61)] {
            let query = values(tokens * width, (width + tokens) as u32);
            let document = values(others * width, (width * others) as u32);
            let mut found = Vec::new();
            for isa in all() {
                let query = Query::for_floats(isa, &query, width);
                let nearest = query.nearest(&document);
                let sum = nearest.iter().fold(0.0, |sum, one| sum + one.product);
                assert_eq!(sum, query.of_floats(&document), "{isa:?}");
                found.push(nearest);
            }
            assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(found[0].len(), tokens);
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                let products = a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y));
                products.sum()
            };
            for (token, nearest) in query.chunks_exact(width).zip(&found[0]) {
                let at = nearest.token as usize * width;
                let product = dot(token, &document[at..at + width]);
                assert!((product - f64::from(nearest.product)).abs() < 1e-4);
                for other in document.chunks_exact(width) {
                    assert!(dot(token, other) < product + 1e-4);
                }
            }
        }
    }
}

#[test]
fn the_greatest_of_all_products_are_those_that_maxsim_counts() {
    for width in [1, 3, 16, 96] {
        for (tokens, others) in [(1, 1), (3, 7), (16, 12), (17, 25), (40, 61)] {
            let query = values(tokens * width, (width + tokens) as u32);
            let document = values(others * width, (width * others) as u32);
            let mut found = Vec::new();
            for isa in all() {
                let packed = Query::for_floats(isa, &query, width);
                let products = packed.products(&document);
                let nearest = packed.nearest(&document);
                for (products, nearest) in products.chunks_exact(others).zip(&nearest) {
                    let greatest = products.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    assert_eq!(greatest, nearest.product, "{isa:?}");
                    assert_eq!(products[nearest.token as usize], greatest);
                }
                found.push(products);
            }
            assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
            let pairs = query.chunks_exact(width).flat_map(|token| {
                let others = document.chunks_exact(width);
                others.map(move |other| crate::dot(token, other))
            });
            assert_eq!(found[0].len(), tokens * others);
            assert!(pairs.zip(&found[0]).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }
    assert!(
        Query::for_floats(Isa::SCALAR, &[1.0], 1)
            .products(&[])
            .is_empty()
    );
}

#[test]
fn of_equal_tokens_the_first_is_nearest() {
    for isa in all() {
        for before in 0..30 {
            let mut document = vec![0.5; before];
            document.extend([1.0; 30]);
            let query = Query::for_floats(isa, &[1.0, -1.0], 1);
            let found = query.nearest(&document);
            assert_eq!(found[0].token as usize, before, "{isa:?}");
            assert_eq!(found[1].token, 0, "{isa:?}");
        }
        assert_eq!(Query::for_floats(isa, &[1.0], 1).nearest(&[]), []);
    }
}

proptest! {
    #[test]
    fn any_shape_agrees(
        width in 1usize..70,
        tokens in 1usize..35,
        others in 1usize..30,
        seed in 0u32..1000,
    ) {
        check(width, tokens, others, seed);
    }
}
