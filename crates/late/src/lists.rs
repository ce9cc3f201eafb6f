//! For each centroid, the rows that have a token nearest to it: what retrieval begins with.
//!
//! The file `lists` is a prologue, the number of rows and of centroids (u32 each), zeros up to byte
//! 64, where each list ends (u64, in bytes from the first list on), then the lists: rows ascending,
//! each as its distance from the row before (from 0 for the first), seven bits in a byte, the lowest
//! first, the eighth bit set in all bytes of a number but its last.
//!
//! Vectors that are kept as residuals have centroids already, those of the `codebook`. Of others the
//! file `list-centroids` is a prologue, the number of values of a token and of centroids (u32 each),
//! zeros up to byte 64, then the centroids, vectors of length 1 (f32).

use std::path::Path;
use std::sync::Arc;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed};

use crate::codebook::Codebook;
use crate::error::{Error, damaged};
use crate::format::{START, VERSION, pad};

pub(crate) const LISTS: &str = "lists";
const LISTS_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFllst\n",
    version: VERSION,
};
pub(crate) const LIST_CENTROIDS: &str = "list-centroids";
const CENTROIDS_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFllce\n",
    version: VERSION,
};

/// Bits of a row in each byte, and the bit that says that more follow.
const BITS: u32 = 7;
const MORE: u8 = 1 << BITS;

/// The lists of an index on disk.
#[derive(Debug)]
pub(crate) struct Lists {
    centroids: Centroids,
    ends: Numbers<u64>,
    bytes: Numbers<u8>,
    rows: u32,
}

#[derive(Debug)]
enum Centroids {
    Own(Numbers<f32>),
    OfResiduals(Arc<Codebook>),
}

impl Lists {
    /// Opens the lists of a folder of so many rows, if it has any. `codebook` is that of the folder,
    /// if it has one.
    pub(crate) fn open(
        sealed: &Sealed,
        codebook: Option<&Arc<Codebook>>,
        width: usize,
        rows: usize,
    ) -> Result<Option<Self>, Error> {
        if !sealed.contains(LISTS) {
            return Ok(None);
        }
        let file = sealed.file(LISTS)?;
        LISTS_PROLOGUE.check_file(&file)?;
        let head = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 2)?;
        let (of_rows, count) = (head.get(0)? as usize, head.get(1)? as usize);
        if of_rows != rows || count == 0 {
            let reason = format!("it lists {of_rows} passages by {count} centroids, not {rows}");
            return Err(damaged(file.path(), reason));
        }
        let centroids = match codebook {
            Some(codebook) => Centroids::OfResiduals(Arc::clone(codebook)),
            None => Centroids::Own(open_centroids(sealed, width)?),
        };
        let found = match &centroids {
            Centroids::Own(values) => values.len() / width,
            Centroids::OfResiduals(codebook) => codebook.centroids(),
        };
        if found != count {
            let reason = format!("it has lists of {count} centroids, and there are {found}");
            return Err(damaged(file.path(), reason));
        }
        let ends = Numbers::<u64>::new(file.clone(), START, count)?;
        let start = START + 8 * count;
        let bytes = Numbers::new(file.clone(), start, file.len() - start)?;
        if ends.get(count - 1)? != bytes.len() as u64 {
            let reason = format!("its lists do not end after {} bytes", bytes.len());
            return Err(damaged(file.path(), reason));
        }
        Ok(Some(Lists {
            centroids,
            ends,
            bytes,
            rows: rows as u32,
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        self.bytes.file().path()
    }

    /// Number of centroids, each of which has a list.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The centroids, vectors of length 1, one after the other.
    pub(crate) fn centroids(&self) -> Result<&[f32], Error> {
        match &self.centroids {
            Centroids::Own(values) => Ok(values.slice(0..values.len())?),
            Centroids::OfResiduals(codebook) => Ok(codebook.directions()),
        }
    }

    /// Every row of the list of a centroid, ascending.
    pub(crate) fn for_each(
        &self,
        centroid: usize,
        mut visit: impl FnMut(u32),
    ) -> Result<(), Error> {
        let start = match centroid.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before)?,
        };
        let end = self.ends.get(centroid)?;
        let bytes = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let (start, end) = bytes.ok_or_else(|| self.nonsense(centroid))?;
        let mut bytes = self.bytes.slice(start..end)?;
        let mut last = None;
        while !bytes.is_empty() {
            let distance = take(&mut bytes).ok_or_else(|| self.nonsense(centroid))?;
            let row = match last {
                None => Some(distance),
                Some(last) => Some(distance)
                    .filter(|&one| one > 0)
                    .and_then(|one| one.checked_add(last)),
            };
            let row = row.filter(|&row| row < self.rows);
            let row = row.ok_or_else(|| self.nonsense(centroid))?;
            visit(row);
            last = Some(row);
        }
        Ok(())
    }

    fn nonsense(&self, centroid: usize) -> Error {
        let reason = format!(
            "the list of centroid {centroid} is not one of ascending numbers below {}",
            self.rows
        );
        damaged(self.path(), reason)
    }
}

fn open_centroids(sealed: &Sealed, width: usize) -> Result<Numbers<f32>, Error> {
    let file = sealed.file(LIST_CENTROIDS)?;
    CENTROIDS_PROLOGUE.check_file(&file)?;
    let head = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 2)?;
    let (of_width, count) = (head.get(0)? as usize, head.get(1)? as usize);
    let bytes = count
        .checked_mul(4 * width)
        .and_then(|bytes| bytes.checked_add(START));
    if of_width != width || bytes != Some(file.len()) {
        let reason = format!(
            "its {} bytes are no {count} centroids of {of_width} values, where tokens have {width}",
            file.len()
        );
        return Err(damaged(file.path(), reason));
    }
    Ok(Numbers::new(file, START, count * width)?)
}

/// The first number of a list, and removes it; `None` if it has no end or is too large.
fn take(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..u32::BITS).step_by(BITS as usize) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u32::from(byte & (MORE - 1));
        number |= bits.checked_shl(shift).filter(|one| one >> shift == bits)?;
        if byte & MORE == 0 {
            return Some(number);
        }
    }
    None
}

/// The same numbers, each once, ascending.
pub(crate) fn distinct(numbers: &[u16]) -> Vec<u16> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Lists that are being made, row by row.
#[derive(Debug)]
pub(crate) struct ListWriter {
    lists: Vec<Vec<u8>>,
    /// The last row in each.
    last: Vec<u32>,
    rows: u32,
}

impl ListWriter {
    pub(crate) fn new(centroids: usize) -> Self {
        ListWriter {
            lists: vec![Vec::new(); centroids],
            last: vec![0; centroids],
            rows: 0,
        }
    }

    /// Adds the next row, by the numbers of the centroids of its tokens, each below their count.
    pub(crate) fn push(&mut self, numbers: &[u16]) {
        for number in distinct(numbers).into_iter().map(usize::from) {
            let mut distance = self.rows - self.last[number];
            self.last[number] = self.rows;
            let list = &mut self.lists[number];
            while distance >= u32::from(MORE) {
                list.push(distance as u8 | MORE);
                distance >>= BITS;
            }
            list.push(distance as u8);
        }
        self.rows += 1;
    }

    /// Writes `lists`.
    pub(crate) fn finish(self, dir: &Path) -> Result<(), Error> {
        let mut file = FileWriter::create(&dir.join(LISTS))?;
        file.push(&LISTS_PROLOGUE.to_bytes())?;
        file.push(&self.rows.to_le_bytes())?;
        file.push(&(self.lists.len() as u32).to_le_bytes())?;
        pad(&mut file)?;
        let mut end = 0;
        for list in &self.lists {
            end += list.len() as u64;
            file.push(&end.to_le_bytes())?;
        }
        for list in &self.lists {
            file.push(list)?;
        }
        Ok(file.finish()?)
    }
}

/// Writes `list-centroids`.
pub(crate) fn write_centroids(dir: &Path, values: &[f32], width: usize) -> Result<(), Error> {
    let mut file = FileWriter::create(&dir.join(LIST_CENTROIDS))?;
    file.push(&CENTROIDS_PROLOGUE.to_bytes())?;
    for number in [width, values.len() / width] {
        file.push(&(number as u32).to_le_bytes())?;
    }
    pad(&mut file)?;
    for value in values {
        file.push(&value.to_le_bytes())?;
    }
    Ok(file.finish()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use treffer_disk::seal;

    use super::*;

    proptest! {
        #[test]
        fn what_is_listed_is_read(
            rows in prop::collection::vec(prop::collection::vec(0u16..4, 1..6), 1..60),
            gap in 1usize..40_000,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = ListWriter::new(5);
            let mut expected = vec![Vec::new(); 5];
            // Rows of centroid 4 alone lie between, so that distances need several bytes.
            for (row, numbers) in rows.iter().enumerate() {
                if row == 1 {
                    for _ in 0..gap {
                        expected[4].push(writer.rows);
                        writer.push(&[4]);
                    }
                }
                for number in 0..4u16 {
                    if numbers.contains(&number) {
                        expected[usize::from(number)].push(writer.rows);
                    }
                }
                writer.push(numbers);
            }
            let n = writer.rows as usize;
            writer.finish(dir.path()).unwrap();
            write_centroids(dir.path(), &[0.6, 0.8].repeat(5), 2).unwrap();
            seal(dir.path()).unwrap();
            let sealed = Sealed::open(dir.path()).unwrap();
            let lists = Lists::open(&sealed, None, 2, n).unwrap().unwrap();
            prop_assert_eq!(lists.centroids().unwrap(), [0.6, 0.8].repeat(5));
            for (centroid, expected) in expected.iter().enumerate() {
                let mut found = Vec::new();
                lists.for_each(centroid, |row| found.push(row)).unwrap();
                prop_assert_eq!(&found, expected);
            }
        }

        #[test]
        fn any_bytes_are_a_number_or_none(bytes in prop::collection::vec(any::<u8>(), 0..8)) {
            let mut rest = &bytes[..];
            let length = bytes.iter().position(|byte| byte & MORE == 0).map(|at| at + 1);
            let value = |n: usize| bytes[..n].iter().rev().fold(0u64, |value, byte| (value << BITS) | u64::from(byte & !MORE));
            let expected = length.filter(|&n| n <= 5).map(value).and_then(|value| u32::try_from(value).ok());
            prop_assert_eq!(take(&mut rest), expected);
        }
    }
}
