//! Makes the lists of a part from its vectors, once these are on disk.

use std::path::Path;

use treffer_types::Progress;

use crate::error::Error;
use crate::kmeans::{self, SAMPLE_FOR_EACH};
use crate::lists::{ListWriter, write_centroids};
use crate::part::Part;
use crate::tokens::Stored;

/// Centroids for the square root of the number of tokens: the fewer there are, the longer are the
/// lists, and the more of them, the longer takes finding the nearest.
const FOR_ROOT: f64 = 4.0;
/// Most centroids; more would take longer to learn than tokens take to encode.
const MOST: f64 = (1 << 14) as f64;
/// Tokens, roughly, between two reports of progress.
const AT_ONCE: usize = 1 << 13;

/// Writes the lists of a part into its folder, and the centroids if it has none. Reports one step,
/// in passages.
pub(crate) fn write(dir: &Path, part: &Part, progress: &dyn Progress) -> Result<(), Error> {
    let rows = part.passages.len();
    progress.begin(
        "listing passages by centroids",
        Some(rows as u64),
        "passages",
    );
    let mut directions = Vec::new();
    let count = match &part.learned.codebook {
        Some(codebook) => codebook.centroids(),
        None => {
            let width = part.tokens.width();
            directions = learn(part)?;
            write_centroids(dir, &directions, width)?;
            directions.len() / width
        }
    };
    let mut lists = ListWriter::new(count);
    let mut row = 0;
    while row < rows {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let (first, start) = (row, part.passages.get(row as u32)?.1.start);
        let mut ends = Vec::new();
        while row < rows && ends.last().is_none_or(|end| end - start < AT_ONCE) {
            ends.push(part.passages.get(row as u32)?.1.end);
            row += 1;
        }
        let end = ends.last().copied().unwrap_or(start);
        let numbers = numbers(part, part.tokens.get(start..end)?, &directions);
        let mut from = start;
        for end in ends {
            lists.push(&numbers[from - start..end - start]);
            from = end;
        }
        progress.advance((row - first) as u64);
    }
    progress.end();
    lists.finish(dir)
}

/// Centroids of length 1 of tokens that are evenly spread over the part.
fn learn(part: &Part) -> Result<Vec<f32>, Error> {
    let (n, width) = (part.tokens.len(), part.tokens.width());
    let count = kmeans::count((FOR_ROOT * (n as f64).sqrt()).min(MOST), n);
    let wanted = n.min(count * SAMPLE_FOR_EACH);
    let (mut sample, mut values) = (Vec::with_capacity(wanted * width), Vec::new());
    for at in 0..wanted {
        let token = (at as u64 * n as u64 / wanted as u64) as usize;
        part.tokens
            .get(token..token + 1)?
            .values(width, &mut values);
        sample.extend_from_slice(&values);
    }
    let means = kmeans::means(&sample, width, count);
    Ok(kmeans::directions(&means, width))
}

/// The number of the centroid of each token.
fn numbers(part: &Part, stored: Stored<'_>, directions: &[f32]) -> Vec<u16> {
    if let Stored::Residual { numbers, .. } = stored {
        return numbers.to_vec();
    }
    let mut values = Vec::new();
    stored.values(part.tokens.width(), &mut values);
    kmeans::nearest(&values, directions, part.tokens.width())
}
