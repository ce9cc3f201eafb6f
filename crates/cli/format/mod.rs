//! Results as text: one trait, and one file for each format.
//!
//! A command makes a typed result and hands it to a format. What a result must be able to
//! do is up to the format: [`Table`] shows [`Blocks`], [`Json`] takes whatever serializes,
//! and [`Trec`] writes what is an [`AsRun`]. So a format that a result lacks cannot be
//! chosen: neither on the command line nor in the code.

mod json;
mod table;
mod trec;

use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

pub(crate) use json::{Entries, Json};
pub(crate) use table::{Block, Blocks, Columns, Style, Table};
pub(crate) use trec::{AsRun, Trec};

use crate::terminal;

/// A way to write results of the type `R`.
pub(crate) trait Format<R: ?Sized> {
    /// Writes one result. Several may follow each other.
    fn write(&self, result: &R, out: &mut dyn Write) -> Result<()>;
}

/// The formats of most results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResultFormat {
    /// For people
    Table,
    /// One JSON object
    Json,
}

impl ResultFormat {
    /// Prints a result on standard output.
    pub(crate) fn print<R: Blocks + Serialize>(self, result: &R) -> Result<()> {
        let format: &dyn Format<R> = match self {
            ResultFormat::Table => &Table,
            ResultFormat::Json => &Json,
        };
        terminal::print(|out| format.write(result, out))
    }
}

/// What is written as several lines of JSON.
pub(crate) trait Lines {
    /// Writes the lines.
    fn write_lines(&self, out: &mut dyn Write) -> Result<()>;
}

/// The formats of lists that may be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people
    Table,
    /// A summary and then each entry, one JSON object a line
    Json,
}

impl ListFormat {
    /// Prints a list on standard output.
    pub(crate) fn print<R: Blocks + Lines>(self, list: &R) -> Result<()> {
        terminal::print(|out| match self {
            ListFormat::Table => Table.write(list, out),
            ListFormat::Json => list.write_lines(out),
        })
    }
}

/// The formats of rankings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RankingFormat {
    /// For people
    Table,
    /// One JSON object per query and line
    Json,
    /// A TREC run
    Trec,
}

impl RankingFormat {
    /// Writes a ranking.
    pub(crate) fn write<R>(self, result: &R, out: &mut dyn Write) -> Result<()>
    where
        R: Blocks + Serialize + AsRun,
    {
        let format: &dyn Format<R> = match self {
            RankingFormat::Table => &Table,
            RankingFormat::Json => &Json,
            RankingFormat::Trec => &Trec,
        };
        format.write(result, out)
    }
}
