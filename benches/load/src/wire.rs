//! HTTP/1.1 on a socket, as little as client and stub need: heads, bodies by length or in chunks, keep-alive.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

pub struct Message {
    /// "HTTP/1.1 200 OK" or "POST /api/auth.test HTTP/1.1"
    pub first_line: String,
    pub body: Vec<u8>,
    /// The sender closes the connection after this message.
    pub close: bool,
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::over(TcpStream::connect(address).await?))
    }

    pub fn over(stream: TcpStream) -> Self {
        // Without it a response may wait 40 ms for a delayed ACK; a socket that refuses is only slower.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            unread: Vec::with_capacity(2048),
        }
    }

    /// False when the other side has closed while the connection was idle.
    pub fn is_open(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends as much as fits now; cancelling loses nothing but the knowledge of how much.
    pub async fn send_some(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// Waits until there is something to read, or the end.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// The next message; None when the other side closed before its first byte.
    pub async fn receive(&mut self) -> io::Result<Option<Message>> {
        let Some(head) = self.head().await? else {
            return Ok(None);
        };
        let mut lines = head.lines();
        let first_line = lines.next().unwrap_or_default().to_owned();
        let (mut framing, mut close) = (Framing::Length(0), false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                framing = Framing::Length(value.parse().map_err(|_| ErrorKind::InvalidData)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                close = value.eq_ignore_ascii_case("close");
            }
        }
        let body = match framing {
            Framing::Length(length) => self.take(length).await?,
            Framing::Chunked => self.chunks().await?,
        };
        Ok(Some(Message {
            first_line,
            body,
            close,
        }))
    }

    async fn head(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head)
                    .map(Some)
                    .map_err(|_| ErrorKind::InvalidData.into());
            }
            if self.fill().await? == 0 {
                return if self.unread.is_empty() {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.chunk_size().await?;
            let chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn chunk_size(&mut self) -> io::Result<usize> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                let digits = line
                    .split(|byte| *byte == b';' || *byte == b'\r')
                    .next()
                    .unwrap_or_default();
                let digits = str::from_utf8(digits).map_err(|_| ErrorKind::InvalidData)?;
                return usize::from_str_radix(digits.trim(), 16).map_err(|_| ErrorKind::InvalidData.into());
            }
            if self.fill().await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            if self.fill().await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.unread).await
    }
}

impl Message {
    /// The status, when this is a response.
    pub fn status(&self) -> io::Result<u16> {
        let code = self.first_line.split(' ').nth(1).unwrap_or_default();
        code.parse().map_err(|_| ErrorKind::InvalidData.into())
    }

    /// The path, when this is a request.
    pub fn path(&self) -> &str {
        let target = self.first_line.split(' ').nth(1).unwrap_or_default();
        target.split('?').next().unwrap_or_default()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
