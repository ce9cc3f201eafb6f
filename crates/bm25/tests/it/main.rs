//! The index from outside: against an oracle, with odd input, with damaged files.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod damage;
mod oracle;
mod part_words;
mod parts;
mod pruning;
mod queries;
mod support;
