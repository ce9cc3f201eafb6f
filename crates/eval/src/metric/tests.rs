//! Metric names: all spellings, the one that is printed, and error messages.

use super::*;

#[test]
fn names_and_aliases_are_parsed_and_printed_in_one_way() {
    for (text, printed) in [
        ("nDCG@10", "nDCG@10"),
        ("ndcg@10", "nDCG@10"),
        ("ndcg_cut_10", "nDCG@10"),
        ("ndcg_cut.10", "nDCG@10"),
        ("nDCG", "nDCG"),
        ("RR", "MRR"),
        ("RR@10", "MRR@10"),
        ("MRR@10", "MRR@10"),
        ("recip_rank", "MRR"),
        ("RR(rel=2)@10", "MRR(rel=2)@10"),
        ("AP", "MAP"),
        ("map", "MAP"),
        ("AP(rel=2)", "MAP(rel=2)"),
        ("map_cut_100", "MAP@100"),
        ("R@100", "Recall@100"),
        ("recall_1000", "Recall@1000"),
        ("P@10", "P@10"),
        ("P_10", "P@10"),
        ("Precision@10", "P@10"),
        ("P( rel = 2 ) @ 5", "P(rel=2)@5"),
        ("P(rel=1)@5", "P@5"),
        ("Success@5", "Success@5"),
        ("judged@10", "Judged@10"),
        ("Judged", "Judged"),
        ("NumRet", "NumRet"),
        ("num_rel_ret", "NumRet(rel=1)"),
        ("NumRet(rel=2)", "NumRet(rel=2)"),
        ("NumRel", "NumRel"),
        ("num_rel", "NumRel"),
    ] {
        let metric: Metric = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(metric.to_string(), printed);
        assert_eq!(printed.parse::<Metric>().unwrap(), metric);
        let json = serde_json::to_string(&metric).unwrap();
        assert_eq!(json, format!("\"{printed}\""));
        assert_eq!(serde_json::from_str::<Metric>(&json).unwrap(), metric);
    }
}

#[test]
fn an_unknown_metric_gets_the_nearest_as_a_suggestion() {
    for (text, nearest) in [
        ("NDGC@10", "nDCG@10"),
        ("MRP@10", "MRR@10"),
        ("recal@5", "Recall@100"),
        ("sucess@1", "Success@10"),
        ("jugded", "Judged@10"),
        ("precison@3", "P@10"),
        ("numreturned", "NumRet"),
    ] {
        let message = text.parse::<Metric>().unwrap_err().to_string();
        let expected = format!("unknown metric `{text}`; did you mean `{nearest}`?");
        assert_eq!(message, expected);
    }
    assert!("".parse::<Metric>().is_err());
}

#[test]
fn an_invalid_metric_is_an_error_that_says_why() {
    for (text, reason) in [
        ("P", "it needs a cutoff; write it as in `P@10`"),
        ("Recall", "it needs a cutoff; write it as in `Recall@100`"),
        ("nDCG@0", "the cutoff is not a whole number above 0"),
        ("nDCG@ten", "the cutoff is not a whole number above 0"),
        ("nDCG@-1", "the cutoff is not a whole number above 0"),
        ("nDCG(rel=2)@10", "takes no rel"),
        ("Judged(rel=2)@10", "takes no rel"),
        ("NumRet@10", "it takes no cutoff"),
        ("P(rel=0)@10", "the only argument is rel"),
        ("P(rel=x)@10", "the only argument is rel"),
        ("P(judged_only=True)@10", "the only argument is rel"),
        ("P(rel=2@10", "the only argument is rel"),
    ] {
        let message = text.parse::<Metric>().unwrap_err().to_string();
        assert!(message.contains(reason), "`{text}` gave: {message}");
    }
}

#[test]
fn edit_distances_are_correct() {
    for (a, b, distance) in [("", "map", 3), ("map", "map", 0), ("kitten", "sitting", 3)] {
        assert_eq!(edit_distance(a, b), distance);
        assert_eq!(edit_distance(b, a), distance);
    }
}
