//! A full disk, Ctrl-C, a killed program, a reader that goes away: nothing that was
//! committed is lost, and nothing half-made is taken for an index.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::fixtures::{documents, indexed, place};
use crate::util::{Place, Ran};

const INDEX: &str = "index index - --config bm25.toml";

/// Runs the program where no file may grow beyond this many blocks, as on a disk
/// that is full.
fn with_file_limit(here: &Place, words: &str, blocks: u32) -> Ran {
    let plain = here.command(words);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""
    ));
    shell
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(here.path(""));
    Ran::new(words, shell.output().unwrap())
}

#[test]
fn a_full_disk_ends_the_build_and_leaves_nothing() {
    let here = place();
    here.write("many.jsonl", documents(2000));
    for blocks in [0, 2, 8, 32] {
        with_file_limit(&here, "index index many.jsonl --config bm25.toml", blocks)
            .fails_with("File too large")
            .says("error: could not ")
            .says("index");
        assert!(!here.has("index"), "{blocks} blocks");
    }
}

#[test]
fn a_full_disk_leaves_the_old_index_as_it_was() {
    let here = indexed();
    here.write("many.jsonl", documents(2000));
    let before = here.files("index");
    for blocks in [0, 2, 8, 32] {
        let words = "index index many.jsonl --config bm25.toml --replace";
        with_file_limit(&here, words, blocks).fails_with("File too large");
        assert_eq!(here.files("index"), before, "{blocks} blocks");
    }
    here.treffer("search index fridge").succeeds();
}

#[test]
fn a_full_disk_while_the_graph_is_written_leaves_nothing() {
    let here = place();
    here.write("some.jsonl", documents(200));
    // Enough for what is written first, too little for vectors of 200 documents.
    with_file_limit(&here, "index index some.jsonl --config three.toml", 40)
        .fails_with("File too large");
    assert!(!here.has("index"));
}

/// Runs a command that changes the index where files may grow to more and more blocks, until it
/// goes well: before, the index stays as it was. Returns how often it failed.
fn until_it_fits(here: &Place, words: &str) -> usize {
    let before = here.files("index");
    for n_failed in 0..20 {
        let blocks = [0, 1, 2, 3, 4, 6][n_failed.min(5)] << n_failed.saturating_sub(5);
        let ran = with_file_limit(here, words, blocks);
        if ran.code() == Some(0) {
            here.treffer("check index").succeeds();
            assert_ne!(here.files("index"), before, "{words}");
            return n_failed;
        }
        ran.fails_with("File too large").says("error: could not ");
        assert_eq!(here.files("index"), before, "{words}: {blocks} blocks");
        here.treffer("check index").succeeds();
    }
    panic!("{words} does not fit");
}

#[test]
fn a_full_disk_leaves_an_index_that_is_changed_as_it_was() {
    let here = place();
    here.write("sixty.jsonl", documents(60));
    here.write("more.jsonl", documents(300).replace("cold", "chilly"));
    here.treffer("index index sixty.jsonl --config three.toml")
        .succeeds();
    // Files of tantivy, of the store, and of the graph are too large in turn.
    assert!(until_it_fits(&here, "add index more.jsonl") > 5);
    assert!(until_it_fits(&here, "delete index d1 d7 d299 --no-merge") > 1);
    assert!(until_it_fits(&here, "compact index") > 5);
    let found = here
        .treffer("search index chilly -k 1000 --format json")
        .succeeds();
    assert!(found.ids().len() > 20);
}

/// Starts a build from standard input, where a first document comes, and returns once a file or
/// folder shows that it is under way.
fn building(here: &Place, words: &str, sign: &str) -> Child {
    let mut child = here.command(words).spawn().unwrap();
    let input = child.stdin.as_mut().unwrap();
    input
        .write_all(b"{\"_id\": \"first\", \"text\": \"cold\"}\n")
        .unwrap();
    while !here.has(sign) {
        assert!(child.try_wait().unwrap().is_none(), "the build ended early");
        thread::yield_now();
    }
    child
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .unwrap()
            .success()
    );
}

/// Sends Ctrl-C, then records until the program has noticed: it looks once a record.
fn interrupted(mut child: Child, words: &str) -> Ran {
    signal(&child, "-INT");
    let mut input = child.stdin.take().unwrap();
    for at in 0.. {
        let record = format!("{{\"_id\": \"late {at}\", \"text\": \"cold\"}}\n");
        if input.write_all(record.as_bytes()).is_err() {
            break; // it has stopped reading
        }
    }
    Ran::new(words, child.wait_with_output().unwrap())
}

#[test]
fn ctrl_c_ends_a_build_and_leaves_nothing() {
    let here = place();
    let child = building(&here, INDEX, "index/.building-1");
    interrupted(child, INDEX).fails_with("stopped on request; nothing was changed");
    assert!(!here.has("index"));
}

#[test]
fn ctrl_c_leaves_the_old_index_as_it_was() {
    let here = indexed();
    let before = here.files("index");
    let replace = format!("{INDEX} --replace");
    let child = building(&here, &replace, "index/.building-2");
    interrupted(child, &replace).fails_with("stopped on request; nothing was changed");
    assert_eq!(here.files("index"), before);
    here.treffer("search index fridge").succeeds();
}

#[test]
fn a_killed_build_is_no_index_and_the_next_build_cleans_up() {
    let here = place();
    let mut child = building(&here, INDEX, "index/.building-1");
    signal(&child, "-KILL");
    child.wait().unwrap();
    here.treffer("search index cold")
        .fails_with("the folder holds an index that was never completed");
    here.treffer("index index corpus.jsonl --config bm25.toml")
        .succeeds();
    assert!(!here.has("index/.building-1"));
    here.treffer("search index cold").succeeds();
}

#[test]
fn an_index_can_be_searched_while_it_is_replaced() {
    let here = indexed();
    let replace = format!("{INDEX} --replace");
    let mut child = building(&here, &replace, "index/.building-2");
    here.treffer("search index fridge").succeeds();
    here.treffer("index index corpus.jsonl --config bm25.toml --replace")
        .fails_with("another process is writing");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"_id\": \"new\", \"text\": \"stove\"}\n")
        .unwrap();
    Ran::new(&replace, child.wait_with_output().unwrap()).succeeds();
    here.treffer("search index stove").succeeds();
}

#[test]
fn a_second_writer_is_turned_away_whatever_it_wants() {
    let here = indexed();
    let child = building(&here, "add index -", "index/.building-2");
    for other in [
        "add index corpus.jsonl",
        "delete index oven",
        "compact index",
        "index index corpus.jsonl --config bm25.toml --replace",
    ] {
        here.treffer(other)
            .fails_with("another process is writing")
            .says("\nhint: ");
    }
    here.treffer("search index fridge").succeeds();
    signal(&child, "-KILL");
    child.wait_with_output().unwrap();
    here.treffer("delete index oven").succeeds();
    assert!(!here.has("index/.building-2"));
}

/// Runs the program as somebody who may read what is here and write nothing.
fn as_reader(here: &Place, words: &str) -> Ran {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    // Nobody's folders lead to where programs are built.
    let program = here.path("program");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_treffer"), &program).unwrap();
        let names = here.files("").into_keys().chain([here.path("")]);
        let folders = ["index", "index/segment-1"].map(|name| here.path(name));
        for path in names.chain(folders) {
            let mode = if path.is_dir() || path == program {
                0o555
            } else {
                0o444
            };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        for part in ["bm25", "store"] {
            let path = here.path("index/segment-1").join(part);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
        }
    }
    let mut command = Command::new(&program);
    command.args(words.split(' ')).current_dir(here.path(""));
    command.env("TREFFER_OFFLINE", "1");
    // Root may write whatever the permissions say.
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        command.gid(65534).uid(65534);
    }
    Ran::new(words, command.output().unwrap())
}

#[test]
fn an_index_that_cannot_be_written_can_be_read() {
    let here = indexed();
    let before = here.files("index");
    for words in ["search index fridge", "info index", "check index"] {
        as_reader(&here, words).succeeds();
    }
    for words in [
        "add index corpus.jsonl",
        "delete index oven",
        "compact index",
        "index index corpus.jsonl --config bm25.toml --replace",
        "index other corpus.jsonl --config bm25.toml",
    ] {
        as_reader(&here, words)
            .fails_with("could not ")
            .says("Permission denied");
    }
    assert_eq!(here.files("index"), before);
    // Else the folder cannot be removed.
    let mut folders = vec![
        here.path(""),
        here.path("index"),
        here.path("index/segment-1"),
    ];
    folders.extend(["bm25", "store"].map(|part| here.path("index/segment-1").join(part)));
    for path in folders {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let here = indexed();
    // More than a pipe holds.
    here.write("queries.txt", "cold fridge oven\n".repeat(3000));
    for format in ["table", "json", "trec"] {
        let words = format!("search index --queries queries.txt --format {format}");
        let mut child = here.command(&words).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        drop(reader);
        Ran::new(&words, child.wait_with_output().unwrap())
            .succeeds()
            .says_nothing();
    }
}

#[test]
fn a_closed_output_is_no_error_for_any_command() {
    let here = indexed();
    here.write("q.tsv", "q\tcold\n");
    here.write("r.tsv", "q\tfridge\t1\n");
    for words in [
        "search index cold",
        "eval index --queries q.tsv --qrels r.tsv",
        "info index",
        "model list",
        "completions bash",
        "--help",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = here.command(words).stdout(writer).output().unwrap();
        Ran::new(words, output).succeeds().says_nothing();
    }
}

#[test]
fn a_reader_sees_one_build_whole_while_others_replace_it() {
    const REPLACEMENTS: usize = 12;
    let here = place();
    here.write("a.jsonl", documents(40));
    here.write("b.jsonl", documents(60));
    let builds = [
        "a.jsonl --config bm25.toml",
        "b.jsonl --config bm25.toml --set bm25.k1=1.7 --set profiles.default.bm25_depth=7",
    ];
    let search = "search index cold -k 50 --format trec";
    let answers = builds.map(|build| {
        here.treffer(&format!("index index {build} --replace"))
            .succeeds();
        here.treffer(search).succeeds().stdout
    });
    assert_ne!(answers[0], answers[1]);

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut n = 0;
                    while !done.load(Ordering::Relaxed) {
                        let found = here.treffer(search).succeeds().stdout;
                        assert!(answers.contains(&found), "a mixture: {found}");
                        here.treffer("info index").succeeds();
                        n += 1;
                    }
                    n
                })
            })
            .collect();
        for i in 0..REPLACEMENTS {
            here.treffer(&format!("index index {} --replace", builds[i % 2]))
                .succeeds();
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
}

#[cfg(unix)]
#[test]
fn a_request_to_end_is_noticed_while_nothing_comes_from_a_pipe() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let here = place();
        let mut child = building(&here, INDEX, "index/.building-1");
        let _held_open = child.stdin.take();
        signal(&child, name);
        let ran = Ran::new(INDEX, child.wait_with_output().unwrap());
        ran.fails_with("stopped on request; nothing was changed");
        assert!(!here.has("index"), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_request_to_end_is_noticed_within_an_endless_line_and_before_a_pipe_is_opened() {
    let here = place();
    let words = "index index endless --input-format jsonl --config bm25.toml";
    let made = Command::new("mkfifo").arg(here.path("endless")).status();
    assert!(made.unwrap().success());
    let child = building(&here, words, "index/writer.lock");
    signal(&child, "-TERM");
    Ran::new(words, child.wait_with_output().unwrap()).fails_with("stopped on request");

    let mut child = building(&here, INDEX, "index/.building-1");
    let mut input = child.stdin.take().unwrap();
    let feeding = thread::spawn(move || while input.write_all(&[b'x'; 4096]).is_ok() {});
    signal(&child, "-TERM");
    Ran::new(INDEX, child.wait_with_output().unwrap()).fails_with("stopped on request");
    feeding.join().unwrap();
    assert!(!here.has("index"));
}
