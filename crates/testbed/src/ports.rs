//! Free ports on 127.0.0.1.
//!
//! They are taken below the range from which the kernel gives ports to outgoing connections and to port 0, so that none is
//! lost between the choice and its use. A clash with another process of this crate stays possible: starters retry.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

const FIRST: u16 = 15_000;
const LAST: u16 = 32_000;
const TRIES: usize = 200;

/// Returns a port on which nothing listens now.
pub fn free() -> Result<u16> {
    for _ in 0..TRIES {
        let port = rand::random_range(FIRST..LAST);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between {FIRST} and {LAST}")
}
