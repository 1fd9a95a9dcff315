//! The file `.env`: read into the environment; what is wrong with it is told without what it holds.

use std::path::{Path, PathBuf};

use dotenvy::Error;

const NAME: &str = ".env";
/// The name of a variable that is believed to be one; a secret is longer.
const KEY_LENGTH_MAX: usize = 48;

/// Reads `.env` of this folder, or of the nearest one above it, if there is one.
pub(super) fn load() -> anyhow::Result<()> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(error) => {
            let path = std::env::current_dir()
                .ok()
                .and_then(|folder| find(&folder));
            anyhow::bail!("{}", told(&error, path.as_deref()))
        }
    }
}

fn find(folder: &Path) -> Option<PathBuf> {
    let paths = folder.ancestors().map(|folder| folder.join(NAME));
    paths.into_iter().find(|path| path.is_file())
}

/// What is wrong, in words. dotenvy's own hold the line, and the line holds the secret.
fn told(error: &Error, path: Option<&Path>) -> String {
    let file = path.map_or_else(|| NAME.to_owned(), |path| path.display().to_string());
    match error {
        Error::LineParse(line, _) => {
            let first = line.lines().next().unwrap_or(line).trim();
            let text = path.and_then(|path| std::fs::read_to_string(path).ok());
            // What dotenvy gives is the end of the line from where it could not go on.
            let is_it = |line: &str| {
                !line.trim_start().starts_with('#') && line.trim_end().ends_with(first)
            };
            let number = text.iter().flat_map(|text| text.lines()).position(is_it);
            let place = number.map_or_else(|| "a line".to_owned(), |n| format!("line {}", n + 1));
            let whole = number.and_then(|n| text.as_deref()?.lines().nth(n));
            let key = whole
                .and_then(key)
                .map_or_else(String::new, |key| format!(" ({key})"));
            format!(
                "{file}: {place}{key} cannot be read. Write NAME=value; a value with blanks, quotes or # goes between \
                 single quotes: NAME='a value'."
            )
        }
        Error::Io(error) => format!("{file} cannot be read: {error}."),
        _ => format!("{file} cannot be read."),
    }
}

/// The name of the variable that a line sets, if that is what stands before its `=`.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    let key = key.strip_prefix("export ").unwrap_or(key).trim();
    let is_name = key.starts_with(|c: char| c.is_ascii_uppercase())
        && key.len() <= KEY_LENGTH_MAX
        && key
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    is_name.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a file with this text.
    fn told_of(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, text).unwrap();
        let lines = dotenvy::from_path_iter(&path).unwrap();
        let error = lines.filter_map(Result::err).next().unwrap();
        told(&error, Some(&path)).replace(&folder.path().display().to_string(), "…")
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_by_its_number_and_name() {
        let told = told_of("# the bot\nRUST_LOG=info\nSLACK_SIGNING_SECRET=geheim def\nA=b\n");
        assert!(
            told.starts_with("…/.env: line 3 (SLACK_SIGNING_SECRET) cannot be read."),
            "{told}"
        );
        assert!(!told.contains("geheim"), "{told}");
    }

    #[test]
    fn no_part_of_a_secret_is_told_wherever_it_stands() {
        for line in [
            "SLACK_SIGNING_SECRET='geheim",
            "export SLACK_SIGNING_SECRET=geheim more",
            "geheim",
            "geheim def=x y",
            "geheim== x y",
            "SLACK_SIGNING_SECRET geheim",
            "SLACK_SIGNING_SECRET=\"geheim\ngeheim",
        ] {
            let told = told_of(&format!("RUST_LOG=info\n{line}\n"));
            assert!(!told.contains("geheim"), "{told}");
            assert!(told.contains("line 2"), "{told}");
        }
    }
}
