//! Where requests go.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result};

/// An address with a path, such as `http://127.0.0.1:3000/slack/commands`.
pub struct Place {
    pub address: SocketAddr,
    pub host: String,
    pub path: String,
}

impl Place {
    pub fn new(url: &str) -> Result<Self> {
        let rest = url
            .strip_prefix("http://")
            .with_context(|| format!("{url} does not begin with http://"))?;
        let (host, path) = rest.split_once('/').with_context(|| format!("{url} has no path"))?;
        let address = host
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next())
            .with_context(|| format!("{host} is no host:port"))?;
        Ok(Self {
            address,
            host: host.to_owned(),
            path: format!("/{path}"),
        })
    }
}
