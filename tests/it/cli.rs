//! The command line as an operator meets it: the real binary, in a folder of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What came of a command.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A folder in which somebody runs Firebell.
struct Place {
    folder: TempDir,
    env: Vec<(String, String)>,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            env: vec![("DATABASE_URL".to_owned(), "sqlite://firebell.db".to_owned())],
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn runs(&self, words: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_firebell"))
            .args(words)
            .current_dir(self.path())
            .env_clear()
            .env("USER", "ana")
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

#[test]
fn a_line_of_the_environment_file_that_cannot_be_read_keeps_its_secret() {
    let place = Place::new();
    place.file(".env", "RUST_LOG=info\nSLACK_SIGNING_SECRET=geheim def\n");
    let ran = place.runs(&["check"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("line 2 (SLACK_SIGNING_SECRET)"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("geheim"), "{ran:?}");
}

#[test]
fn what_cannot_be_opened_is_named_once_with_its_reason() {
    let place = Place::new().with("FIREBELL_CONFIG", "missing.toml");
    let said = place.runs(&["check"]).err;
    assert_eq!(said.matches("No such file").count(), 1, "{said}");

    let place = Place::new().with("DATABASE_URL", "sqlite:///nowhere/firebell.db");
    let said = place.runs(&["migrate"]).err;
    assert_eq!(said.matches("/nowhere/firebell.db").count(), 1, "{said}");
    assert_eq!(said.matches("unable to open").count(), 1, "{said}");

    let place = Place::new().with("DATABASE_URL", "postgres://me:geheim@127.0.0.1:1/firebell");
    let said = place.runs(&["migrate"]).err;
    assert!(said.contains("127.0.0.1:1"), "{said}");
    assert!(said.contains("Connection refused"), "{said}");
    assert!(!said.contains("geheim"), "{said}");
}

/// The variables that the image sets.
fn of_the_image() -> Vec<(String, String)> {
    let dockerfile = concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile");
    let text = std::fs::read_to_string(dockerfile).unwrap();
    let text = text.replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix("ENV "));
    lines
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn a_container_without_a_configuration_starts() {
    let mut place = Place::new();
    place.env = of_the_image();
    assert!(place.env.iter().any(|(name, _)| name == "FIREBELL_LISTEN"));
    let ran = place.runs(&["check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
