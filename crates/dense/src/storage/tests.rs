//! Every form against the plain sum of products.

use proptest::prelude::*;

use super::*;

const FORMS: [Storage; 3] = [Storage::F32, Storage::F16, Storage::Int8];

fn unit(values: &[f32]) -> Vec<f32> {
    let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
    values.iter().map(|x| x / length).collect()
}

/// The one vector of a collection.
fn only(values: &Values) -> Stored<'_> {
    match values {
        Values::F32(values) => Stored::F32(values),
        Values::F16(values) => Stored::F16(values),
        Values::Int8 { high, low, scales } => Stored::Int8 {
            high,
            low,
            scale: scales[0],
        },
    }
}

fn keep(vector: &[f32], storage: Storage) -> Values {
    let mut values = Values::new(storage);
    values.push(vector);
    values
}

fn exact(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&x, &y)| f64::from(x) * f64::from(y))
        .sum()
}

proptest! {
    #[test]
    fn the_cosine_of_every_form_is_the_sum_of_products(
        pairs in prop::collection::vec((-1.0f32..1.0, 0.01f32..1.0), 2..100),
    ) {
        let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().map(|(x, y)| (x + 1.5, y)).unzip();
        let (a, b) = (unit(&a), unit(&b));
        for (form, error) in [(Storage::F32, 1e-7), (Storage::F16, 5e-4), (Storage::Int8, 5e-5)] {
            let kept = keep(&b, form);
            let values = only(&kept).values();
            for (value, original) in values.iter().zip(&b) {
                prop_assert!(f64::from((value - original).abs()) <= error);
            }
            let query = Query::new(&a, form);
            let cosine = f64::from(query.cosine(only(&kept)));
            prop_assert!((cosine - exact(&a, &values).clamp(-1.0, 1.0)).abs() < 2e-6);
            let distance = f64::from(query.distance(only(&kept).coarse()));
            let coarse = if form == Storage::Int8 { 0.02 } else { 1e-6 };
            prop_assert!((1.0 - distance - cosine).abs() < coarse);
        }
        for form in FORMS {
            let [a, b] = [&a, &b].map(|vector| keep(vector, form));
            let [a, b] = [&a, &b].map(|values| only(values).coarse());
            let mut query = Query::default();
            query.set(a);
            let distance = query.distance(b).to_bits();
            prop_assert_eq!(a.distance(b).to_bits(), distance);
            prop_assert_eq!(b.distance(a).to_bits(), distance);
        }
    }

    #[test]
    fn what_is_kept_is_kept_again_without_loss(
        values in prop::collection::vec(-1.0f32..1.0, 2..40),
    ) {
        prop_assume!(values.iter().any(|x| x.abs() > 0.01));
        for form in FORMS {
            let kept = keep(&unit(&values), form);
            let mut again = Values::new(form);
            prop_assert!(again.push_stored(only(&kept)));
            prop_assert_eq!(&again, &kept);
        }
        let kept = keep(&unit(&values), Storage::F16);
        prop_assert_eq!(&keep(&only(&kept).values(), Storage::F16), &kept);
        prop_assert!(!Values::new(Storage::F32).push_stored(only(&kept)));
    }
}

#[test]
fn half_precision_is_read_exactly() {
    for bits in 0..=u16::MAX {
        let half = f16::from_bits(bits);
        if half.is_finite() {
            assert_eq!(
                half_to_single(bits).to_bits(),
                half.to_f32().to_bits(),
                "{bits:04x}"
            );
        }
    }
}

#[test]
fn the_ends_of_the_bytes_are_used_and_not_passed() {
    for (value, expected) in [(1.0, (127, 0)), (-1.0, (-127, 0)), (0.0, (0, 0))] {
        let vector = [1.0, value];
        let kept = keep(&vector, Storage::Int8);
        let Stored::Int8 { high, low, .. } = only(&kept) else {
            panic!("another form");
        };
        assert_eq!((high[1], low[1]), expected);
    }
    // Every remainder, from which the value is found again.
    for code in -32_512..=32_512 {
        let vector = [1.0, code as f32 / 32_512.0];
        let kept = keep(&vector, Storage::Int8);
        let Values::Int8 { high, low, .. } = &kept else {
            panic!("another form");
        };
        assert_eq!(i32::from(high[1]) * 256 + i32::from(low[1]), code);
    }
}

/// Long vectors whose products all have one sign: the greatest sum there can be.
#[test]
fn sums_of_integers_do_not_overflow() {
    for dimension in [2, 384, 65_536] {
        let vector = vec![1.0 / (dimension as f32).sqrt(); dimension];
        let kept = keep(&vector, Storage::Int8);
        let query = Query::new(&vector, Storage::Int8);
        let distance = query.distance(only(&kept).coarse());
        assert!(distance.abs() < 0.01, "{dimension}: {distance}");
    }
}

#[test]
fn a_cosine_stays_in_its_range() {
    let long = [0.5001f32; 4];
    for form in FORMS {
        let kept = keep(&long, form);
        let same = Query::new(&long, form);
        let opposite = Query::new(&long.map(|x| -x), form);
        assert_eq!(same.cosine(only(&kept)), 1.0);
        assert_eq!(opposite.cosine(only(&kept)), -1.0);
        assert_eq!(opposite.distance(only(&kept).coarse()), 2.0);
    }
}

/// On any processor, and whatever the compiler makes of it: bits that were computed once.
#[test]
fn scores_are_the_same_bits_everywhere() {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let [a, b] = [(); 2].map(|()| unit(&(0..391).map(|_| next()).collect::<Vec<f32>>()));
    let bits = FORMS.map(|form| {
        let kept = keep(&b, form);
        let query = Query::new(&a, form);
        [
            query.cosine(only(&kept)),
            query.distance(only(&kept).coarse()),
        ]
        .map(f32::to_bits)
    });
    assert_eq!(
        bits,
        [
            [1_005_600_752, 1_065_230_208],
            [1_005_600_928, 1_065_230_207],
            [1_005_599_117, 1_065_225_890],
        ]
    );
}

#[test]
fn forms_are_named_in_small_letters() {
    let names = FORMS.map(|form| serde_json::to_string(&form).unwrap());
    assert_eq!(names, ["\"f32\"", "\"f16\"", "\"int8\""]);
}
