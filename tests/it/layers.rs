//! The plan of the house, held: who may import whom, who speaks SQL, and what the core may not look at.
//!
//! A better plan changes this table, the design and `lib.rs` in one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may import. `*`: all.
const TABLE: [(&str, &str); 21] = [
    ("main", "*"),
    ("cli", "*"),
    (
        "app",
        "http socket reception desk dispatcher engine intake export store slack alerts notify actions config domain templates clock",
    ),
    (
        "http",
        "reception desk dispatcher engine intake store slack alerts calendar notify actions export templates domain clock config",
    ),
    ("socket", "reception slack"),
    (
        "reception",
        "desk engine store slack templates domain clock",
    ),
    ("desk", "engine intake store slack templates domain clock"),
    (
        "dispatcher",
        "engine intake store slack alerts calendar notify actions export templates domain clock config",
    ),
    ("engine", "store clock domain"),
    ("intake", "store clock domain"),
    ("export", "store templates domain"),
    ("store", "domain"),
    ("slack", "domain templates clock"),
    ("notify", "domain templates"),
    ("alerts", "domain"),
    ("actions", "domain"),
    ("calendar", "domain"),
    ("config", "domain"),
    ("simulator", "templates"),
    ("domain", ""),
    ("templates", ""),
];

/// Rooms without imports of ours that need no line of reasons.
const ALONE: [&str; 2] = ["clock", "lib"];

struct Source {
    path: PathBuf,
    room: String,
    /// The modules from the crate's root to this file.
    depth: usize,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let inside = path.strip_prefix(&root).expect("in src").with_extension("");
                let mut names: Vec<_> = inside
                    .iter()
                    .map(|it| it.to_string_lossy().into_owned())
                    .collect();
                names.pop_if(|last| last == "mod");
                let code = without_comments(&fs::read_to_string(&path).expect("a source"));
                found.push(Source {
                    room: names[0].clone(),
                    depth: names.len(),
                    code,
                    path,
                });
            }
        }
    }
    assert!(found.len() > 10, "the sources were not found");
    found
}

/// The code alone: a link in a comment imports nothing.
fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.split_once(" // ").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The rooms that a source names: `crate::room`, `crate::{room, …}`, and `super::` as far as the root.
fn imports(source: &Source) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for root in ["crate::", "firebell::"] {
        for (at, _) in source.code.match_indices(root) {
            let standing_alone =
                !source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if standing_alone
                && (root == "crate::" || ["main", "cli"].contains(&source.room.as_str()))
            {
                rooms.extend(heads(&source.code[at + root.len()..]));
            }
        }
    }
    for line in source.code.lines() {
        let Some(at) = line.find("super::") else {
            continue;
        };
        let rest = line[at..].trim_start_matches("super::");
        let steps = (line.len() - at - rest.len()) / "super::".len();
        // Inside of a `mod tests { … }` the first step leads to the file itself.
        let inside = usize::from(line.starts_with(' ') && source.code.contains("\nmod tests {"));
        if steps >= source.depth + inside {
            rooms.extend(heads(rest));
        }
    }
    rooms
}

/// The first names of a path, or of each path in braces.
fn heads(path: &str) -> Vec<String> {
    let word = |text: &str| {
        let text = text.trim_start();
        let end = text
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(text.len());
        text[..end].to_owned()
    };
    let Some(list) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut heads, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.push(word(&list[from..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(word(&list[from..at]));
                from = at + 1;
            }
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

#[test]
fn no_room_imports_what_lies_above_or_beside_it() {
    let table: BTreeMap<_, _> = TABLE.into_iter().collect();
    let mut faults = Vec::new();
    for source in sources() {
        let may = match table.get(source.room.as_str()) {
            Some(may) => *may,
            None if ALONE.contains(&source.room.as_str()) => "",
            None => {
                faults.push(format!(
                    "{}: the room `{}` has no line in the table",
                    source.path.display(),
                    source.room
                ));
                continue;
            }
        };
        // `super` and `self` in braces, and the names that the crate's root itself gives, are no rooms.
        let known = |room: &str| table.contains_key(room) || ALONE.contains(&room);
        for room in imports(&source) {
            let ours = room == source.room || !known(&room);
            if !ours && may != "*" && !may.split(' ').any(|it| it == room) {
                faults.push(format!(
                    "{}: `{}` may not import `{room}`",
                    source.path.display(),
                    source.room
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_store_speaks_sql() {
    for Source {
        path, room, code, ..
    } in sources()
    {
        let speaks = code.contains("sqlx");
        assert!(
            room == "store" || !speaks,
            "{}: sqlx is for src/store alone",
            path.display()
        );
    }
}

#[test]
fn the_core_has_no_clock_no_chance_no_files_and_waits_for_nothing() {
    let forbidden = [
        "Timestamp::now",
        "Zoned::now",
        "SystemTime",
        "Instant",
        "async ",
        ".await",
        "tokio",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "std::process",
        "uuid",
        "println!",
        "tracing",
    ];
    for Source {
        path, room, code, ..
    } in sources()
    {
        if room == "domain" {
            for word in forbidden {
                assert!(!code.contains(word), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let source = |depth, code: &str| Source {
        path: PathBuf::new(),
        room: "store".into(),
        depth,
        code: without_comments(code),
    };
    let read = |depth, code: &str| {
        imports(&source(depth, code))
            .into_iter()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(read(2, "use crate::domain::terms::{A, B};"), "domain");
    assert_eq!(
        read(2, "use crate::{clock::Clock, domain::{a, b}, slack};"),
        "clock domain slack"
    );
    assert_eq!(
        read(
            2,
            "let x = crate::http::f();\n/// See [`crate::engine`]\n// crate::cli"
        ),
        "http"
    );
    assert_eq!(read(2, "use super::super::slack::message;"), "slack");
    assert_eq!(read(2, "use super::incidents::Held;"), "");
    assert_eq!(read(1, "use super::slack;"), "slack");
    assert_eq!(read(1, "#[cfg(test)]\nmod tests {\n    use super::*;"), "");
}
