//! What a client accepts of a server.

use super::*;
use proptest::prelude::*;

#[test]
fn the_first_byte_of_a_range_is_read() {
    assert_eq!(first_byte("bytes 100-199/200"), Some(100));
    assert_eq!(first_byte("bytes */200"), None);
    assert_eq!(first_byte("100-199"), None);
}

/// The client checks every hop of a redirect in the same way.
#[test]
fn an_endpoint_with_https_leads_to_no_other_protocol() {
    let client = |endpoint| Client::new("tiny", endpoint, &treffer_types::NoProgress);
    let only = |client: &Client<'_>| client.agent.config().https_only();
    assert!(only(&client("https://hub.example")));
    assert!(!only(&client("http://127.0.0.1:8000")));
    let strict = client("https://hub.example");
    // Refused before anything is sent.
    let Err(Failure::Source(error)) = strict.read("http://127.0.0.1:9/", "looking up") else {
        panic!("it was read");
    };
    assert!(matches!(error, SourceError::NotHttps { .. }), "{error}");
}

#[test]
fn a_file_is_held_against_what_is_known_of_it() {
    let pin = Pin {
        size: 10,
        sha256: String::new(),
    };
    let expected = |pin, size| Expected {
        pin,
        size,
        most: 20,
    };
    for expected in [expected(Some(&pin), None), expected(None, Some(10))] {
        assert!(expected.check("x", 10).is_ok());
        let error = expected.check("x", 11).unwrap_err();
        assert!(matches!(error, SourceError::WrongSize { .. }), "{error}");
    }
    let unknown = expected(None, None);
    assert!(unknown.check("x", 20).is_ok());
    let error = unknown.check("x", 21).unwrap_err();
    assert!(matches!(error, SourceError::TooLarge { .. }), "{error}");
    assert!(expected(None, Some(30)).check("x", 21).is_err());
}

proptest! {
    #[test]
    fn no_content_range_makes_reading_panic(text in "(bytes )?[-0-9*/ ]{0,30}") {
        let _ = first_byte(&text);
    }
}
