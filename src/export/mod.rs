//! The record of an incident as a file.

use jiff::Timestamp;
use minijinja::Environment;

use crate::domain::catalog::Catalog;
use crate::domain::event::ExportFormat;
use crate::domain::terms::IncidentId;
use crate::store::Store;

/// The whole file.
pub async fn to_bytes(
    _: &Store,
    _: &Environment<'_>,
    _: &Catalog,
    id: &IncidentId,
    _: ExportFormat,
    _: Timestamp,
) -> anyhow::Result<Vec<u8>> {
    Ok(id.as_str().as_bytes().to_vec())
}
