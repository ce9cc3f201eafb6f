//! Searches an index that `treffer index` has built, and shows each stage's part.
//!
//!     cargo run --release -p treffer --example search -- my-index 'quiet refrigerator'

use std::path::PathBuf;

use treffer::{Engine, OpenOptions, SearchRequest, StandardModels};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(dir), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("give the folder of an index and a query".into());
    };

    let models = StandardModels::from_default_cache()?;
    let engine = Engine::open(&PathBuf::from(dir), &OpenOptions::default(), &models)?;

    let mut request = SearchRequest::text(text.to_string_lossy());
    request.options.top_k = 5;
    request.options.explain = true;
    for hit in engine.search(&request)?.hits {
        println!("{}. {:.3}  {}  {}", hit.rank, hit.score, hit.id, hit.title);
        for (stage, score) in hit.stages.iter() {
            println!("       {stage:<6} {score:?}");
        }
    }
    Ok(())
}
