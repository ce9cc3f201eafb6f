//! Lengths of queries and documents, which learned fusions use besides scores.

/// The lengths of a query and of its candidates, in terms of the index's analyzer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Terms of the query.
    pub query: u32,
    /// Terms of each candidate's document, in the order of the pool.
    pub documents: Vec<u32>,
}
