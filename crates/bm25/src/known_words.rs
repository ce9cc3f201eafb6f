//! What the parts of an index know of words that compounds are cut into, and which parts must be
//! built again when more are known.

use std::collections::HashSet;
use std::convert::Infallible;

use rayon::prelude::*;

use crate::analysis::compounds::{SHORT_WORDS, for_each_part};
use crate::error::Error;
use crate::index::Bm25Index;
use crate::part::Part;

type Words<'a> = HashSet<&'a str, foldhash::fast::RandomState>;

impl Bm25Index {
    /// The words that compounds are cut into, those of all parts, sorted; none if the analyzer cuts
    /// no compounds. Words of deleted documents stay among them as long as their part does.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn pieces(&self) -> Result<Vec<String>, Error> {
        let mut words: Vec<&str> = self.known(&[])?.into_iter().collect();
        words.par_sort_unstable();
        Ok(words.into_iter().map(str::to_owned).collect())
    }

    /// Those among [`pieces`](Self::pieces) that were given to
    /// [`Bm25Writer::add_pieces`](crate::Bm25Writer::add_pieces) when a part was built, sorted. No
    /// document need hold them, so a part that is built of the documents of others must be given
    /// them again.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn listed_pieces(&self) -> Result<Vec<String>, Error> {
        let of_parts = self.parts.iter().map(Part::listed_pieces);
        let of_parts: Vec<Vec<&str>> = of_parts.collect::<Result<_, _>>()?;
        let mut words: Vec<&str> = of_parts.into_iter().flatten().collect();
        words.sort_unstable();
        words.dedup();
        Ok(words.into_iter().map(str::to_owned).collect())
    }

    /// The parts, by their place, whose documents would have other terms if they were built anew
    /// with the words of all parts and these `further` ones. See the crate's documentation for when
    /// to build them again.
    ///
    /// Exact for what a part holds, deleted documents among it. Reads every word of the parts, but no
    /// document.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn parts_affected_by(&self, further: &[String]) -> Result<Vec<usize>, Error> {
        let words = self.known(further)?;
        let mut affected = Vec::new();
        for (nth, part) in self.parts.iter().enumerate() {
            let compounds = part.compounds()?;
            if compounds
                .par_iter()
                .any(|line| is_cut_otherwise(line, &words))
            {
                affected.push(nth);
            }
        }
        Ok(affected)
    }

    fn known<'a>(&'a self, further: &'a [String]) -> Result<Words<'a>, Error> {
        let of_parts = self.parts.iter().map(Part::pieces);
        let of_parts: Vec<Vec<&str>> = of_parts.collect::<Result<_, _>>()?;
        let mut words: Words<'a> = further.iter().map(String::as_str).collect();
        if self.has_compounds() {
            words.extend(SHORT_WORDS);
        }
        words.extend(of_parts.into_iter().flatten());
        Ok(words)
    }
}

/// Whether a compound has other pieces than those with which `line` lists it.
fn is_cut_otherwise(line: &str, words: &Words<'_>) -> bool {
    let mut listed = line.split(' ');
    let compound = listed.next().unwrap_or_default();
    let mut is_same = true;
    let Ok(()) = for_each_part(
        compound,
        &mut |part: &str| Ok::<_, Infallible>(words.contains(part)),
        &mut |part| is_same &= listed.next() == Some(part),
    );
    !is_same || listed.next().is_some()
}
