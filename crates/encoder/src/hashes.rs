//! Computes a model's fingerprint from the hashes of its files and from its spec.

use sha2::{Digest, Sha256};
use treffer_types::{
    Colbert, Expansion, Fingerprint, ModelDetails, ModelRole, ModelSpec, PooledLayer, Pooling,
    Scoring,
};

/// The sha256 of each file of a model.
pub(crate) struct FileHashes {
    pub(crate) weights: [u8; 32],
    /// That of the overlay, if there is one.
    pub(crate) overlay: Option<[u8; 32]>,
    pub(crate) tokenizer: [u8; 32],
    pub(crate) config: [u8; 32],
    /// Those of the layers after the pooling, in their order.
    pub(crate) layers: Vec<[u8; 32]>,
}

/// sha256 over everything that affects a model's output. Each field is preceded by its
/// length, so that different fields cannot give the same bytes.
pub(crate) fn fingerprint_of(files: &FileHashes, spec: &ModelSpec) -> Fingerprint {
    // Destructured, so that a new field is a compile error here. Neither the name nor the
    // license affects the output.
    let FileHashes {
        weights,
        overlay,
        tokenizer,
        config,
        layers: layer_files,
    } = files;
    let ModelSpec {
        name: _,
        role,
        pooling,
        query_prefix,
        passage_prefix,
        max_length,
        license: _,
        details,
    } = spec;
    let max_length = (*max_length as u64).to_le_bytes();
    let fields: [&[u8]; 9] = [
        b"treffer model 1",
        weights,
        tokenizer,
        config,
        match role {
            ModelRole::BiEncoder => b"bi-encoder",
            ModelRole::CrossEncoder => b"cross-encoder",
            ModelRole::LateInteraction => b"late-interaction",
        },
        match (role, pooling) {
            (ModelRole::CrossEncoder | ModelRole::LateInteraction, _) => b"ignored",
            (ModelRole::BiEncoder, pooling) => pooling.name().as_bytes(),
        },
        query_prefix.as_bytes(),
        passage_prefix.as_bytes(),
        &max_length,
    ];
    let mut hasher = Sha256::new();
    let more = of_details(details);
    let layers = layer_files.iter().map(<[u8; 32]>::as_slice);
    let more = more.iter().map(String::as_bytes).chain(layers);
    let overlay = overlay
        .iter()
        .flat_map(|hash| [b"overlay".as_slice(), hash]);
    for field in fields.into_iter().chain(more).chain(overlay) {
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    Fingerprint(hexadecimal(&digest))
}

/// sha256 over everything that affects what the last layer gives for the tokens of a text: the
/// fingerprint of a bi-encoder with nothing around its network.
pub(crate) fn network_of(files: &FileHashes, spec: &ModelSpec) -> Fingerprint {
    let files = FileHashes {
        layers: Vec::new(),
        ..*files
    };
    let spec = ModelSpec {
        name: String::new(),
        role: ModelRole::BiEncoder,
        pooling: Pooling::Mean,
        query_prefix: String::new(),
        passage_prefix: String::new(),
        max_length: spec.max_length,
        license: String::new(),
        details: ModelDetails {
            lower_case: spec.details.lower_case,
            ..ModelDetails::default()
        },
    };
    fingerprint_of(&files, &spec)
}

/// What is special about a model, nothing for most.
fn of_details(details: &ModelDetails) -> Vec<String> {
    let ModelDetails {
        lower_case,
        prefix_not_pooled,
        content_only,
        layers,
        colbert,
        scoring,
    } = details;
    let mut fields = Vec::new();
    if *lower_case {
        fields.push("lower case".to_owned());
    }
    if *prefix_not_pooled {
        fields.push("prefix not pooled".to_owned());
    }
    if *content_only {
        fields.push("content only".to_owned());
    }
    fields.extend(layers.iter().map(|layer| match layer {
        PooledLayer::Normalize => "normalize".to_owned(),
        // Their files are hashed, wherever they are.
        PooledLayer::Dense(_) => "dense".to_owned(),
        PooledLayer::LayerNorm(_) => "layer norm".to_owned(),
        PooledLayer::Linear(outputs) => format!("linear to {outputs}"),
    }));
    fields.extend(colbert.iter().flat_map(|colbert| of_colbert(colbert)));
    match scoring {
        Scoring::Logit => {}
        Scoring::Label(label) => fields.push(format!("label {label}")),
        Scoring::Grades(grades) => fields.push(format!("grades {grades:?}")),
    }
    fields
}

fn of_colbert(colbert: &Colbert) -> Vec<String> {
    let Colbert {
        query_marker,
        passage_marker,
        query_length,
        expansion,
        skipped,
    } = colbert;
    let mut fields = vec![
        format!("query marker {query_marker:?}"),
        format!("passage marker {passage_marker:?}"),
        format!("query length {query_length}"),
    ];
    fields.extend(expansion.iter().map(|Expansion { token, attended }| {
        let how = if *attended { "attended" } else { "unattended" };
        format!("{how} expansion {token}")
    }));
    fields.extend(skipped.iter().map(|token| format!("skipped {token}")));
    fields
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use treffer_types::Pooling;

    fn spec() -> ModelSpec {
        ModelSpec {
            name: "a".to_owned(),
            role: ModelRole::BiEncoder,
            pooling: Pooling::Mean,
            query_prefix: "query: ".to_owned(),
            passage_prefix: "passage: ".to_owned(),
            max_length: 512,
            license: "MIT".to_owned(),
            details: Default::default(),
        }
    }

    fn colbert() -> Colbert {
        Colbert {
            query_marker: None,
            passage_marker: None,
            query_length: 32,
            expansion: None,
            skipped: Vec::new(),
        }
    }

    #[test]
    fn everything_that_affects_the_output_changes_the_fingerprint() {
        let hashes = |weights, tokenizer, config| FileHashes {
            weights: [weights; 32],
            overlay: None,
            tokenizer: [tokenizer; 32],
            config: [config; 32],
            layers: Vec::new(),
        };
        let files = hashes(1, 2, 3);
        let edits: [fn(&mut ModelSpec); 23] = [
            |spec| spec.role = ModelRole::CrossEncoder,
            |spec| spec.pooling = Pooling::Cls,
            |spec| spec.query_prefix.push('x'),
            |spec| spec.passage_prefix.clear(),
            |spec| spec.max_length = 511,
            |spec| spec.pooling = Pooling::Max,
            |spec| spec.pooling = Pooling::MeanSqrtLen,
            |spec| spec.details.lower_case = true,
            |spec| spec.details.prefix_not_pooled = true,
            |spec| spec.details.content_only = true,
            |spec| spec.details.layers = vec![PooledLayer::Normalize],
            |spec| spec.details.layers = vec![PooledLayer::Dense("2_Dense".to_owned())],
            |spec| spec.details.layers = vec![PooledLayer::Linear(8)],
            |spec| spec.details.colbert = Some(Box::new(colbert())),
            |spec| {
                let query_marker = Some("[Q]".to_owned());
                spec.details.colbert = Some(Box::new(Colbert {
                    query_marker,
                    ..colbert()
                }));
            },
            |spec| {
                let passage_marker = Some("[Q]".to_owned());
                spec.details.colbert = Some(Box::new(Colbert {
                    passage_marker,
                    ..colbert()
                }));
            },
            |spec| {
                let skipped = vec![".".to_owned()];
                spec.details.colbert = Some(Box::new(Colbert {
                    skipped,
                    ..colbert()
                }));
            },
            |spec| {
                let expansion = Some(Expansion {
                    token: "[MASK]".to_owned(),
                    attended: false,
                });
                spec.details.colbert = Some(Box::new(Colbert {
                    expansion,
                    ..colbert()
                }));
            },
            |spec| {
                let expansion = Some(Expansion {
                    token: "[MASK]".to_owned(),
                    attended: true,
                });
                spec.details.colbert = Some(Box::new(Colbert {
                    expansion,
                    ..colbert()
                }));
            },
            |spec| spec.details.scoring = Scoring::Label("yes".to_owned()),
            |spec| spec.details.scoring = Scoring::Grades(vec![0, 1]),
            |spec| spec.details.scoring = Scoring::Grades(vec![0, 2]),
            // The same characters, split differently between the prefixes.
            |spec| {
                spec.query_prefix = "query: p".to_owned();
                spec.passage_prefix = "assage: ".to_owned();
            },
        ];
        let mut seen = vec![fingerprint_of(&files, &spec())];
        for edit in edits {
            let mut edited = spec();
            edit(&mut edited);
            seen.push(fingerprint_of(&files, &edited));
        }
        for files in [
            hashes(9, 2, 3),
            hashes(1, 9, 3),
            hashes(1, 2, 9),
            hashes(2, 1, 3),
        ] {
            seen.push(fingerprint_of(&files, &spec()));
        }
        for layers in [vec![[1; 32]], vec![[2; 32]]] {
            let files = FileHashes {
                layers,
                ..hashes(1, 2, 3)
            };
            seen.push(fingerprint_of(&files, &spec()));
        }
        for overlay in [3, 4] {
            let files = FileHashes {
                overlay: Some([overlay; 32]),
                ..hashes(1, 2, 3)
            };
            seen.push(fingerprint_of(&files, &spec()));
        }
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
    }

    /// Indexes record fingerprints, so that of a model without anything special stays.
    #[test]
    fn the_fingerprint_of_a_plain_model_never_changes() {
        let files = FileHashes {
            weights: [1; 32],
            overlay: None,
            tokenizer: [2; 32],
            config: [3; 32],
            layers: Vec::new(),
        };
        assert_eq!(
            fingerprint_of(&files, &spec()).0,
            "acd87a05fcaa9feb02322f53d6072567b87d344b5cca818af14cfabac3c65668"
        );
    }

    #[test]
    fn neither_name_nor_license_changes_the_fingerprint() {
        let files = FileHashes {
            weights: [1; 32],
            overlay: None,
            tokenizer: [2; 32],
            config: [3; 32],
            layers: Vec::new(),
        };
        let renamed = ModelSpec {
            name: "b".to_owned(),
            license: "unknown".to_owned(),
            ..spec()
        };
        assert_eq!(
            fingerprint_of(&files, &spec()),
            fingerprint_of(&files, &renamed)
        );
    }
}
