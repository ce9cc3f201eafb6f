//! Checks a whole index: that its files match the seal, and that their content is valid.

use std::path::Path;

use crate::error::{Error, Owner};
use crate::graph::{GRAPH, Graph};
use crate::index::DenseIndex;
use crate::part::{DensePart, Part};
use crate::passages::Passages;
use crate::repair::reachable;
use crate::search::Links;
use crate::vectors::{MappedVectors, check_unit};

/// Reports each problem with the file that has it.
type Report<'a> = &'a mut dyn FnMut(&Path, String);

impl DenseIndex {
    /// Reads everything and reports what is wrong, with the file: bytes that are not as they
    /// were written; passages out of order, vectors that are not of length 1, links to missing
    /// rows, vectors that no link leads to. Reports nothing for an intact index.
    pub fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        self.parts.iter().for_each(|part| verify(part, report));
    }

    /// Opens the vectors of a folder of which nothing but the graph is damaged or missing, so that
    /// they can be copied; `None` if more is. Reads all of the rest. Documents keep their numbers.
    pub fn open_vectors(dir: &Path) -> Option<Self> {
        let part = Part::without_graph(&DensePart {
            dir,
            first_doc: 0,
            deleted: None,
        });
        let part = part.ok()?;
        let mut is_sound = part.sealed.verify_without(&[GRAPH], &mut |_, _| {});
        if is_sound {
            let mut report = |_: &Path, _: String| is_sound = false;
            check_passages(&part.passages, &mut report);
            check_vectors(&part.vectors, &part.passages, &mut report);
        }
        is_sound.then(|| DenseIndex { parts: vec![part] })
    }
}

fn verify(part: &Part, report: Report<'_>) {
    let is_whole = part
        .sealed
        .verify(&mut |path, problem| report(path, problem.to_string()));
    // Contents of damaged files would only be reported as damaged again.
    if is_whole {
        check_passages(&part.passages, report);
        check_vectors(&part.vectors, &part.passages, report);
        if let Some(graph) = &part.graph {
            check_graph(graph, part.vectors.len(), report);
        }
    }
}

fn check_passages(passages: &Passages, report: Report<'_>) {
    let mut last = None;
    for row in 0..passages.len() as u32 {
        match passages.get(row) {
            Ok(passage) if last.is_some_and(|last| passage <= last) => {
                let owner = Owner::Passage(passage);
                report(passages.path(), format!("{owner} is out of order"));
            }
            Ok(passage) => last = Some(passage),
            Err(error) => return report(passages.path(), reason_of(error)),
        }
    }
}

fn check_vectors(vectors: &MappedVectors, passages: &Passages, report: Report<'_>) {
    for row in 0..vectors.len() as u32 {
        let checked = passages.get(row).and_then(|passage| {
            let owner = Owner::Passage(passage);
            check_unit(vectors.dimension(), owner, &vectors.row(row)?.values())
        });
        match checked {
            Ok(()) => {}
            Err(error @ Error::NotUnit { .. }) => report(vectors.path(), error.to_string()),
            Err(error) => return report(vectors.path(), reason_of(error)),
        }
    }
}

fn check_graph(graph: &Graph, rows: usize, report: Report<'_>) {
    let checked = check_links(graph, rows).and_then(|()| reachable(graph, rows));
    match checked {
        Ok(reached) => {
            let lost = reached.iter().filter(|reached| !**reached).count();
            if lost > 0 {
                let reason = format!("no links lead to {lost} of {rows} vectors");
                report(graph.path(), reason);
            }
        }
        Err(error) => report(graph.path(), reason_of(error)),
    }
}

/// Reads every list; reading refuses links to missing rows.
fn check_links(graph: &Graph, rows: usize) -> Result<(), Error> {
    for row in 0..rows as u32 {
        graph.links(0, row)?;
    }
    for layer in 1..=graph.top() {
        let members = graph.rows_of(layer);
        for index in 0..members.len() {
            for &link in graph.links(layer, members.get(index)?)? {
                graph.links(layer, link)?;
                // A search continues in the layer below from any row that it found.
                graph.links(layer - 1, link)?;
            }
        }
        graph.links(layer, graph.entry())?;
    }
    Ok(())
}

/// What is wrong, without the path, which is reported beside it.
fn reason_of(error: Error) -> String {
    match error {
        Error::Damaged { reason, .. } => reason,
        other => other.to_string(),
    }
}
