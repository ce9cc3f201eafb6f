//! What of the data can be learned, and by what data a training is known.

use sha2::{Digest, Sha256};
use treffer_encoder::parts::Parts;

use crate::error::Error;
use crate::example::{Example, Examples, ValueKind};
use crate::loss::Loss;
use crate::options::{Kind, Options};
use crate::read::BadLine;
use crate::similarity;
use crate::transformer::Model;
use crate::validate;

/// The examples that the loss can learn from; the others are reported.
pub(crate) fn usable<'a>(
    data: &'a Examples,
    options: &Options,
    model: &Model,
    report: &mut dyn FnMut(BadLine),
) -> Result<Vec<(u64, &'a Example)>, Error> {
    let mut usable = Vec::new();
    let refuses = |example| {
        let refused = options.loss.refuses(example, model.shape.classes);
        match options.kind {
            Kind::CrossEncoder => refused,
            Kind::BiEncoder { .. } => refused
                .or_else(|| similarity::refuses(options.loss, example))
                .or_else(|| has_no_other(example, options)),
        }
    };
    for (number, example) in (0..).zip(&data.all) {
        match refuses(example) {
            None => usable.push((number, example)),
            Some(reason) => report(BadLine {
                path: data
                    .files
                    .get(example.origin.0 as usize)
                    .cloned()
                    .unwrap_or_default(),
                line: example.origin.1,
                reason,
            }),
        }
    }
    if usable.is_empty() {
        return Err(Error::NoExamples {
            reason: "no line of the data fits; see what was said of the first, and --loss"
                .to_owned(),
        });
    }
    refuse_one_class(&usable, options.loss)?;
    Ok(usable)
}

/// Alone in its step, a relevant passage is compared with nothing.
fn has_no_other(example: &Example, options: &Options) -> Option<String> {
    let is_alone = options.loss == Loss::MultipleNegatives
        && options.batch == 1
        && example.values.iter().all(|&value| value > 0.0);
    is_alone.then(|| {
        "has no passage that is not relevant, and with --batch 1 there is no other line to take \
         one from"
            .to_owned()
    })
}

/// Each kind of model and of head has its losses.
pub(crate) fn refuse_other_loss(options: &Options, classes: usize) -> Result<(), Error> {
    let loss = options.loss;
    let reason = match (options.kind, loss) {
        (Kind::BiEncoder { .. }, Loss::Bce | Loss::Classes) => {
            "a bi-encoder has no head; take multiple-negatives, mse, margin-mse or list".to_owned()
        }
        (Kind::BiEncoder { .. }, _) => return Ok(()),
        (Kind::CrossEncoder, Loss::MultipleNegatives) => {
            "it compares vectors, which only a bi-encoder has; take bce, mse, margin-mse or list"
                .to_owned()
        }
        (Kind::CrossEncoder, Loss::Classes) if classes == 1 => {
            "the head of the base has one output and no classes; take bce, mse, margin-mse or list"
                .to_owned()
        }
        (Kind::CrossEncoder, Loss::Classes) => return Ok(()),
        (Kind::CrossEncoder, _) if classes == 1 => return Ok(()),
        (Kind::CrossEncoder, _) => {
            format!("the base has a head with {classes} classes, which only `classes` trains")
        }
    };
    Err(Error::Option {
        option: "loss",
        value: loss.as_str().to_owned(),
        reason,
    })
}

/// A model that only ever sees one label learns to say it of everything.
fn refuse_one_class(examples: &[(u64, &Example)], loss: Loss) -> Result<(), Error> {
    if !matches!(loss, Loss::Bce | Loss::Mse | Loss::Classes) {
        return Ok(());
    }
    let mut values = examples.iter().flat_map(|(_, example)| &example.values);
    let Some(first) = values.next() else {
        return Ok(());
    };
    if values.any(|value| value != first) {
        return Ok(());
    }
    Err(Error::NoExamples {
        reason: format!(
            "the value of every passage is {first}; passages of another label are needed too, as \
             `treffer mine` finds them"
        ),
    })
}

/// The examples that a model can be measured on.
pub(crate) fn usable_held_out(data: &Examples) -> Result<Vec<&Example>, Error> {
    let usable: Vec<&Example> = data
        .all
        .iter()
        .filter(|example| validate::is_usable(example))
        .collect();
    if usable.is_empty() {
        return Err(Error::NoExamples {
            reason: "the held-out data has no line with several passages and labels, one of them above 0".to_owned(),
        });
    }
    Ok(usable)
}

/// A hash of base and data, which a training is resumed with only if they are the same.
pub(crate) fn identity(base: &Parts, data: &Examples, held_out: Option<&Examples>) -> String {
    let mut hash = Sha256::new();
    hash.update(base.fingerprint().to_string());
    for examples in [Some(data), held_out] {
        for example in examples.into_iter().flat_map(|examples| &examples.all) {
            let mut text = |text: &str| {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            };
            text(&example.query);
            example.passages.iter().for_each(|passage| text(passage));
            for value in &example.values {
                hash.update(value.to_le_bytes());
            }
            hash.update(example.weight.to_le_bytes());
            hash.update([u8::from(example.kind == ValueKind::Scores)]);
        }
        hash.update(b"end");
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
