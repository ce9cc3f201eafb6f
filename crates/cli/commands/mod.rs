//! The commands, one file each with its arguments: from what was typed to what is printed.
//! A new one needs a file of its own and its lines here.

mod add;
mod analyze;
mod check;
mod compact;
mod compare;
mod completions;
mod delete;
mod distill;
mod duplicates;
mod eval;
mod explain;
mod fuse;
mod index;
mod info;
mod judge;
mod mine;
mod model;
mod quickstart;
mod rerank;
mod search;
mod train;
mod tune;

use anyhow::Result;
use clap::Subcommand;

use crate::Outcome;
use crate::options::Global;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an index from a corpus
    Index(index::Index),
    /// Add documents to an index, in the place of those with the same ids
    Add(add::Add),
    /// Delete documents from an index
    Delete(delete::Delete),
    /// Make one segment of an index, without what is deleted
    Compact(compact::Compact),
    /// Search an index
    Search(search::Search),
    /// Measure every stage and the fusion against relevance judgments
    Eval(eval::Eval),
    /// Find the fusion weights for an index on judged queries
    Tune(tune::Tune),
    /// Explain why a document ranks where it does, or is not found
    Explain(explain::Explain),
    /// Show what becomes of a text in BM25: characters, words, terms, language
    Analyze(analyze::Analyze),
    /// Compare runs with a baseline and test whether they differ significantly
    Compare(compare::Compare),
    /// Fuse runs of any programs into one
    Fuse(fuse::Fuse),
    /// Rerank the run of any program, or texts without an index, with a cross-encoder
    Rerank(rerank::Rerank),
    /// Judge queries with the cross-encoder where nobody has judged them
    Judge(judge::Judge),
    /// Find training data in an index: queries with answers and hard negatives
    Mine(mine::Mine),
    /// Train a cross-encoder or a bi-encoder on queries and passages of your own
    Train(train::Train),
    /// Train a smaller model on what a cross-encoder thinks of your data
    Distill(distill::Distill),
    /// Find documents of an index that say the same
    Duplicates(duplicates::Duplicates),
    /// Show what an index holds, and check its files
    Info(info::Info),
    /// Read every file of an index and report what is damaged
    Check(check::Check),
    /// List, fetch and check models
    Model(model::Model),
    /// Index, search, measure and tune the sample corpus with real models
    Quickstart(quickstart::Quickstart),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}

impl Command {
    pub(crate) fn run(&self, global: &Global) -> Result<Outcome> {
        match self {
            Command::Index(command) => index::run(command, global),
            Command::Add(command) => add::run(command, global),
            Command::Delete(command) => delete::run(command),
            Command::Compact(command) => compact::run(command),
            Command::Search(command) => search::run(command, global),
            Command::Eval(command) => eval::run(command, global),
            Command::Tune(command) => tune::run(command, global),
            Command::Explain(command) => explain::run(command, global),
            Command::Analyze(command) => analyze::run(command, global),
            Command::Compare(command) => compare::run(command),
            Command::Fuse(command) => fuse::run(command),
            Command::Rerank(command) => rerank::run(command, global),
            Command::Judge(command) => judge::run(command, global),
            Command::Mine(command) => mine::run(command, global),
            Command::Train(command) => train::run(command, global),
            Command::Distill(command) => distill::run(command, global),
            Command::Duplicates(command) => duplicates::run(command, global),
            Command::Info(command) => info::run(command),
            Command::Check(command) => check::run(command, global),
            Command::Model(command) => model::run(command, global),
            Command::Quickstart(command) => quickstart::run(command, global),
            Command::Completions(command) => completions::run(command),
        }
    }
}
