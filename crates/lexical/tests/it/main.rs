//! The index from outside: against an oracle, with odd input, with damaged files.

mod damage;
mod oracle;
mod queries;
mod support;
