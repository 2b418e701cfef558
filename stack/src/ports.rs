//! The ports on 127.0.0.1 that the servers listen on.

mod holder;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, bail};
use rand::RngExt;

/// Postgres' port in `cargo stack up`: its usual one with a nine behind, so that a Postgres of the
/// machine's own is in nobody's way.
pub const POSTGRES: u16 = 54329;
/// Kafka's port in `cargo stack up`; its controller takes the one after.
pub const KAFKA: u16 = 19092;
/// The first command-service's port; the next one's is ten higher.
pub const COMMAND: u16 = 8080;
/// The first query-service's port; the next one's is ten higher.
pub const QUERY: u16 = 8081;
/// From one service's port to the next of its kind.
pub const STEP: u16 = 10;

/// Below what operating systems hand out to outgoing connections, so that a port found free stays
/// free until its server takes it.
const FREE: std::ops::Range<u16> = 20_000..32_000;
const ATTEMPTS_MAX: usize = 1_000;

/// Finds `N` different free ports.
///
/// # Errors
/// There are none.
pub fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut rng = rand::rng();
    // All stay bound until the last is found, so that none is found twice.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let (found, listener) = (0..ATTEMPTS_MAX)
            // Even ones, for whoever takes the port after it as well: Kafka's controller does.
            .map(|_| rng.random_range(FREE) & !1)
            .find_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)))
            .context("no free port on 127.0.0.1")?;
        *port = found;
        held.push(listener);
    }
    Ok(ports)
}

/// Makes sure that a port can be had, for `whom`; `flag` is the one that changes it.
///
/// # Errors
/// It is taken; the message says by whom where that can be seen.
pub fn check_free(port: u16, whom: &str, flag: &str) -> anyhow::Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let holder = holder::of(port).map_or_else(
                || "another program".to_owned(),
                |holder| format!("{} (process {})", holder.name, holder.pid),
            );
            bail!(
                "port {port} for {whom} is taken by {holder}; stop it, or choose another port \
                 with {flag}"
            )
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on port {port}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_free_and_differ() {
        let [a, b, c] = free().unwrap();
        assert!(a != b && b != c && a != c);
        for port in [a, b, c] {
            check_free(port, "the test", "--port").unwrap();
        }
    }

    #[test]
    fn a_taken_port_is_refused_with_who_has_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let message = check_free(port, "Kafka", "--kafka-port").unwrap_err().to_string();
        assert!(message.contains(&format!("port {port} for Kafka")), "{message}");
        assert!(message.contains("--kafka-port"), "{message}");
        let me = format!("process {}", std::process::id());
        assert!(message.contains(&me), "{message}");
    }
}
