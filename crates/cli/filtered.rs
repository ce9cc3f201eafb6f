//! What an evaluation depends on besides queries and index: the filter, and what day it is.

use serde::Serialize;
use treffer_engine::fields::Date;
use treffer_engine::topics::TopicFilter;
use treffer_report::text::{count, count_queries};

use crate::format::Block;

/// A filter, and what it leaves of the judgments.
#[derive(Serialize)]
pub(crate) struct Filtered<'a> {
    text: &'a str,
    documents: usize,
    relevant_excluded: usize,
    queries_emptied: usize,
}

impl<'a> Filtered<'a> {
    pub(crate) fn new(filter: &'a TopicFilter) -> Self {
        let TopicFilter {
            text,
            docs: _, // their number says enough
            documents,
            relevant_excluded,
            queries_emptied,
        } = filter;
        Filtered {
            text,
            documents: *documents,
            relevant_excluded: *relevant_excluded,
            queries_emptied: *queries_emptied,
        }
    }

    /// For people.
    pub(crate) fn line(&self) -> Block {
        let mut line = format!(
            "filter {}: holds for {}; {} of documents that it excludes, counted as not relevant",
            self.text,
            count(self.documents as u64, "document"),
            count(self.relevant_excluded as u64, "relevant judgment"),
        );
        if self.queries_emptied > 0 {
            let queries = count_queries(self.queries_emptied);
            line.push_str(&format!("; {queries} left without a relevant document"));
        }
        Block::Line(line)
    }
}

/// The time from which stages counted, for people.
pub(crate) fn now_line(now: Date) -> Block {
    Block::Line(format!("now is {now}"))
}
