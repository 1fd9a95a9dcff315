//! Settings from the environment, the catalog from `firebell.toml`; all faults are told at once, with file and line.
//!
//! `reader` opens the file's tables and notes what is wrong in them, `values` proves single values (`trial` those that
//! are templates), `sections`, `people`, `intake` and `runbook` say what each table holds, `references` proves that what is
//! named exists, `reach` that policies reach somebody, `faults` shows it to a person.

mod faults;
mod intake;
mod people;
mod reach;
mod reader;
mod references;
mod runbook;
mod sections;
mod settings;
mod trial;
mod values;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::domain::catalog::Catalog;

pub use faults::{Fault, Faults, Level, Related};
pub use settings::{
    Database, DatabaseKind, ScheduleSecrets, SettingFault, SettingFaults, Settings, alert_secrets,
    heartbeat_url, schedule_secrets,
};

/// Where the catalog is read from when nothing else is said.
pub const DEFAULT_FILE: &str = "firebell.toml";

/// The file with the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFile {
    /// `firebell.toml` in the working directory; it may be missing.
    Default,
    /// A file that somebody has named; it must be there.
    Named(PathBuf),
}

impl ConfigFile {
    /// The path to open.
    pub fn path(&self) -> &Path {
        match self {
            ConfigFile::Default => Path::new(DEFAULT_FILE),
            ConfigFile::Named(path) => path,
        }
    }
}

/// Why there is no catalog.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read at all.
    #[error("{}. {}", self.halves().0, self.halves().1)]
    Unreadable {
        /// The file that was named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is read, and wrong.
    #[error("{0}")]
    Faulty(Faults),
}

impl LoadError {
    /// What is wrong, and what to do next.
    pub fn halves(&self) -> (String, &'static str) {
        match self {
            Self::Unreadable { path, source } => {
                let next = match source.kind() {
                    io::ErrorKind::NotFound => {
                        "Set FIREBELL_CONFIG to a file that exists, or unset it"
                    }
                    io::ErrorKind::PermissionDenied => "Let the user that runs Firebell read it",
                    _ => "Set FIREBELL_CONFIG to a file of TOML",
                };
                (format!("cannot read {}: {source}", path.display()), next)
            }
            Self::Faulty(faults) => (faults.to_string(), "Mend each of them"),
        }
    }
}

/// Reads the catalog from its file, and the warnings about it.
///
/// A missing default file gives [`Catalog::default`]. Errors: a named file that is missing, a file that cannot be
/// read, and every error in it at once.
pub fn load(file: &ConfigFile) -> Result<(Catalog, Faults), LoadError> {
    let path = file.path();
    let name = path.display().to_string();
    let bytes = match (fs::read(path), file) {
        (Ok(bytes), ConfigFile::Default | ConfigFile::Named(_)) => bytes,
        (Err(error), ConfigFile::Default) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((Catalog::default(), Faults::new(&name, "")));
        }
        (Err(source), ConfigFile::Default | ConfigFile::Named(_)) => {
            let path = path.to_owned();
            return Err(LoadError::Unreadable { path, source });
        }
    };
    match str::from_utf8(&bytes) {
        Ok(text) => parse(text, &name).map_err(LoadError::Faulty),
        Err(error) => {
            let start = error.valid_up_to();
            let text = String::from_utf8_lossy(&bytes);
            let mut faults = Faults::new(&name, &text);
            let message = "the file is not UTF-8 from here on";
            let help = "save it as UTF-8".to_owned();
            faults.push(Level::Error, start..start + 1, message, Some(help));
            Err(LoadError::Faulty(faults))
        }
    }
}

/// Reads the catalog from the text of a file; `file_name` is only shown.
///
/// `Ok` comes with the warnings (no errors among them), `Err` holds every error and warning in the order of the file.
pub fn parse(text: &str, file_name: &str) -> Result<(Catalog, Faults), Faults> {
    let file = reader::File::new(text);
    let reading = reader::Reading::new(&file, file_name, text);
    let (catalog, places) = sections::catalog(file.root(&reading));
    reading.check_references();
    reach::prove(&reading, &catalog, &places);
    let faults = reading.finish();
    match faults.has_errors() {
        true => Err(faults),
        false => Ok((catalog, faults)),
    }
}

#[cfg(test)]
mod tests;
