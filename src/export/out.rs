//! Where an export goes: text is gathered and handed on in pieces of bounded size.

use std::fmt;

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// What is handed on at a time: enough that a system call is not felt, little beside everything else.
pub(super) const CHUNK: usize = 32 * 1024;

/// A sink with a buffer before it. Write with `write!`, then [`Out::breathe`].
pub(super) struct Out<'w, W> {
    sink: &'w mut W,
    buffer: String,
    bytes: u64,
}

impl<'w, W: AsyncWrite + Unpin> Out<'w, W> {
    pub(super) fn new(sink: &'w mut W) -> Self {
        Self {
            sink,
            buffer: String::with_capacity(2 * CHUNK),
            bytes: 0,
        }
    }

    /// The buffer, to write into.
    pub(super) fn buffer(&mut self) -> &mut String {
        &mut self.buffer
    }

    /// Hands on what was gathered, if it is enough.
    pub(super) async fn breathe(&mut self) -> std::io::Result<()> {
        if self.buffer.len() >= CHUNK {
            self.hand_on().await?;
        }
        Ok(())
    }

    /// Hands on the rest and says how much it was in all.
    pub(super) async fn finish(mut self) -> std::io::Result<u64> {
        self.hand_on().await?;
        self.sink.flush().await?;
        Ok(self.bytes)
    }

    async fn hand_on(&mut self) -> std::io::Result<()> {
        for chunk in self.buffer.as_bytes().chunks(CHUNK) {
            self.sink.write_all(chunk).await?;
        }
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        // One long entry must not keep its room for the rest of the export.
        self.buffer.shrink_to(4 * CHUNK);
        Ok(())
    }
}

impl<W> fmt::Write for Out<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.buffer.push_str(text);
        Ok(())
    }
}
