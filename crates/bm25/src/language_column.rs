//! The language of each document, by its row: a file of a prologue and a byte each.

use std::ops::AddAssign;
use std::path::Path;

use serde::{Deserialize, Serialize};
use treffer_disk::{FileWriter, Numbers, Prologue, Sealed};
use treffer_types::Language;

use crate::error::Error;

const LANGUAGES: &str = "languages.u8";

const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFlang\n",
    version: 1,
};

/// How many documents of each language an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageCounts {
    /// German.
    pub de: u32,
    /// English.
    pub en: u32,
    /// In other languages.
    pub other: u32,
    /// Of which it is not sure.
    pub unsure: u32,
}

impl LanguageCounts {
    /// Documents of this language.
    pub fn of(&self, language: Option<Language>) -> u32 {
        match language {
            Some(Language::German) => self.de,
            Some(Language::English) => self.en,
            Some(Language::Other) => self.other,
            None => self.unsure,
        }
    }

    fn of_mut(&mut self, language: Option<Language>) -> &mut u32 {
        match language {
            Some(Language::German) => &mut self.de,
            Some(Language::English) => &mut self.en,
            Some(Language::Other) => &mut self.other,
            None => &mut self.unsure,
        }
    }
}

impl AddAssign for LanguageCounts {
    fn add_assign(&mut self, other: Self) {
        for language in Language::ALL.map(Some).into_iter().chain([None]) {
            *self.of_mut(language) += other.of(language);
        }
    }
}

/// Writes the column.
#[derive(Debug)]
pub(crate) struct LanguageWriter {
    file: FileWriter,
    counts: LanguageCounts,
}

impl LanguageWriter {
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        let mut file = FileWriter::create(&dir.join(LANGUAGES))?;
        file.push(&PROLOGUE.to_bytes())?;
        Ok(LanguageWriter {
            file,
            counts: LanguageCounts::default(),
        })
    }

    pub(crate) fn push(&mut self, language: Option<Language>) -> Result<(), Error> {
        *self.counts.of_mut(language) += 1;
        Ok(self.file.push(&[to_byte(language)])?)
    }

    pub(crate) fn finish(self) -> Result<LanguageCounts, Error> {
        self.file.finish()?;
        Ok(self.counts)
    }
}

/// The column of a finished index.
pub(crate) struct LanguageColumn(Numbers<u8>);

impl LanguageColumn {
    pub(crate) fn open(sealed: &Sealed, n_docs: u32) -> Result<Self, Error> {
        let file = sealed.file(LANGUAGES)?;
        PROLOGUE.check_file(&file)?;
        let numbers = Numbers::new(file, Prologue::BYTES, n_docs as usize)?;
        Ok(LanguageColumn(numbers))
    }

    pub(crate) fn get(&self, row: u32) -> Result<Option<Language>, Error> {
        let byte = self.0.get(row as usize)?;
        from_byte(byte).ok_or_else(|| Error::Damaged {
            dir: self.0.file().path().to_owned(),
            reason: format!("its row {row} has language {byte}"),
        })
    }

    pub(crate) fn count(&self) -> Result<LanguageCounts, Error> {
        let mut counts = LanguageCounts::default();
        for row in 0..self.0.len() as u32 {
            *counts.of_mut(self.get(row)?) += 1;
        }
        Ok(counts)
    }

    /// What is left of the counts of all rows without some rows.
    pub(crate) fn without(
        &self,
        mut counts: LanguageCounts,
        rows: impl Iterator<Item = usize>,
    ) -> Result<LanguageCounts, Error> {
        for row in rows {
            let language = self.get(row as u32)?;
            let left = counts.of(language).checked_sub(1);
            *counts.of_mut(language) = left.ok_or_else(|| Error::Damaged {
                dir: self.0.file().path().to_owned(),
                reason: "it has more rows of a language than its record counts".to_owned(),
            })?;
        }
        Ok(counts)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.file().path()
    }
}

fn to_byte(language: Option<Language>) -> u8 {
    match language {
        None => 0,
        Some(Language::German) => 1,
        Some(Language::English) => 2,
        Some(Language::Other) => 3,
    }
}

fn from_byte(byte: u8) -> Option<Option<Language>> {
    let mut all = std::iter::once(None).chain(Language::ALL.map(Some));
    all.find(|language| to_byte(*language) == byte)
}
