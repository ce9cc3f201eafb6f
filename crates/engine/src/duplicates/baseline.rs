//! The cosine that a bi-encoder gives to texts that have nothing to do with each other. It
//! differs much between models: about 0.75 for E5, 0.4 for BGE.
//!
//! On the scale from that to 1, one threshold suits different models, as in BERTScore (Zhang,
//! Kishore, Wu, Weinberger and Artzi, BERTScore: Evaluating Text Generation with BERT, 2020,
//! section 3, "baseline rescaling"). The texts are fixed, and not taken from the index, so that
//! a pair does not cease to be a duplicate when other documents are added.

use crate::engine::Engine;
use crate::error::Error;
use crate::models::{self, ModelSource};

/// Subjects far apart, in two languages: pairs of one language are compared.
const UNRELATED: [[&str; 8]; 2] = [
    [
        "The ferry to the island leaves twice a day and takes forty minutes.",
        "Knead the dough until it no longer sticks to the bowl, then let it rise.",
        "The court dismissed the appeal because it had been filed too late.",
        "Volcanic ash grounded all flights in the north of the country.",
        "She practices the violin every evening after school.",
        "The software update fixes an error that deleted saved passwords.",
        "Young penguins lose their down before they first enter the sea.",
        "Sales of used bicycles rose sharply during the spring.",
    ],
    [
        "Der Imker öffnet die Bienenstöcke erst, wenn es warm genug ist.",
        "Für die Prüfung sind drei Bücher und ein Wörterbuch zugelassen.",
        "Nach dem Hochwasser wurde die alte Brücke für Lastwagen gesperrt.",
        "Die Tapete lässt sich leichter lösen, wenn man sie vorher einweicht.",
        "Das Orchester spielte zum Abschluss eine Sinfonie von Haydn.",
        "Ein zu niedriger Reifendruck erhöht den Verbrauch des Autos.",
        "Der Zahnarzt empfiehlt, die Bürste alle drei Monate zu wechseln.",
        "Im Mittelalter war Salz so kostbar, dass es Städte reich machte.",
    ],
];

/// The mean cosine of unrelated passages for the index's bi-encoder.
pub(super) fn baseline(engine: &Engine, models: &dyn ModelSource) -> Result<f64, Error> {
    let manifest = engine.manifest();
    let (Some(config), Some(record)) = (&manifest.blueprint.dense, &manifest.models.dense) else {
        return Err(Error::Request("this index has no dense stage".into()));
    };
    let embedder = models::embedder(models, config, engine.device())?;
    record.check(&models::record_embedder(embedder.as_ref()))?;
    let (mut sum, mut n) = (0.0, 0_u32);
    for texts in UNRELATED {
        let embeddings = embedder
            .embed_passages(&texts)
            .map_err(|source| Error::Model {
                action: "run",
                name: config.model.clone(),
                source,
            })?;
        for (i, a) in embeddings.iter().enumerate() {
            for b in &embeddings[i + 1..] {
                let products = a.vector.iter().zip(&b.vector);
                sum += products
                    .map(|(x, y)| f64::from(*x) * f64::from(*y))
                    .sum::<f64>();
                n += 1;
            }
        }
    }
    // A model that gives everything the same vector tells nothing apart, and nothing is similar.
    Ok((sum / f64::from(n.max(1))).clamp(-1.0, 1.0))
}

/// A cosine on the scale from the baseline, 0, to equal texts, 1.
pub(super) fn rescaled(cosine: f32, baseline: f64) -> f64 {
    let room = 1.0 - baseline;
    if room > 1e-6 {
        (f64::from(cosine) - baseline) / room
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrelated_texts_are_at_zero_and_equal_ones_at_one() {
        assert_eq!(rescaled(0.75, 0.75), 0.0);
        assert_eq!(rescaled(1.0, 0.75), 1.0);
        assert_eq!(rescaled(0.875, 0.75), 0.5);
        assert_eq!(rescaled(1.0, 1.0), 0.0);
    }
}
