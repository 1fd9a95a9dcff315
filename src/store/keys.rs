//! Secrets of our own making, the same for every replica and over every restart.

use anyhow::Context;

use super::Store;

impl Store {
    /// The secret of this name; `fresh` is taken when it is asked for the first time.
    pub async fn key(&self, name: &str, fresh: &[u8]) -> anyhow::Result<Vec<u8>> {
        let fresh = hex::encode(fresh);
        self.database
            .execute(
                "INSERT INTO keys (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                &[name.into(), fresh.as_str().into()],
            )
            .await
            .context("keeping a key")?;
        // Whichever replica was first has made the one that holds.
        let row: Option<(String,)> = self
            .database
            .row("SELECT secret FROM keys WHERE name = $1", &[name.into()])
            .await
            .context("reading a key")?;
        let (secret,) = row.context("a key that was just kept is gone")?;
        hex::decode(secret).context("reading a key")
    }
}
