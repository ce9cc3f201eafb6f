//! Which fields a collection probably has: its first documents are read before it is built.

use std::path::{Path, PathBuf};

use treffer_columns::{FieldSchema, Inference, InferredField};
use treffer_corpus::{ReadOptions, Record, check_input, read_documents};
use treffer_types::Progress;

use crate::error::{Error, stop_if_asked};

/// Fields that documents were found to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSample {
    /// Documents that were looked at.
    pub documents: usize,
    /// Every field, by name, and what it is taken for.
    pub fields: Vec<InferredField>,
    /// Those that are not left out.
    pub schema: FieldSchema,
}

/// Looks at the first `most` documents of each input. They are read again when the index is
/// built, so standard input and pipes are refused. Bad records are passed over: the build reports
/// them.
///
/// # Errors
/// If an input cannot be read twice or at all, or `progress` says to stop.
pub fn infer_fields(
    inputs: &[PathBuf],
    options: &ReadOptions,
    most: usize,
    progress: &dyn Progress,
) -> Result<FieldSample, Error> {
    for input in inputs {
        refuse_stream(input)?;
        check_input(input, options).map_err(Error::Corpus)?;
    }
    let mut inference = Inference::new();
    let mut documents = 0;
    for input in inputs {
        let mut of_input = 0;
        let reader = read_documents(input, options);
        let mut records = reader.map_err(|error| unread(error, progress))?;
        while of_input < most {
            stop_if_asked(progress)?;
            match records.next() {
                None => break,
                Some(Err(error)) => return Err(unread(error, progress)),
                Some(Ok(Record::Problem(_))) => {}
                Some(Ok(Record::Document { document, .. })) => {
                    inference.add(&document);
                    of_input += 1;
                }
            }
        }
        documents += of_input;
    }
    Ok(FieldSample {
        documents,
        fields: inference.fields(),
        schema: inference.schema(),
    })
}

/// Reading fails once it is to stop, which is not the input's fault.
fn unread(error: treffer_corpus::Error, progress: &dyn Progress) -> Error {
    if progress.cancelled() {
        return Error::Cancelled;
    }
    Error::Corpus(error)
}

fn refuse_stream(input: &Path) -> Result<(), Error> {
    let what = if input == Path::new("-") {
        "standard input".to_owned()
    } else {
        // What is not there is reported by those who open it.
        let is_stream = std::fs::metadata(input)
            .is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
        if !is_stream {
            return Ok(());
        }
        format!("{}, which is no regular file,", input.display())
    };
    Err(Error::Request(format!(
        "{what} can be read only once, and to infer fields the documents are read twice; write them to a file first, or name the fields, as in --set fields.price=float"
    )))
}
