//! The ports on 127.0.0.1 that the servers listen on.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, bail};
use rand::RngExt;

/// Postgres' port in `cargo stack up`: the usual port with a nine added, so that another
/// Postgres of this machine can run at the same time.
pub const POSTGRES: u16 = 54329;
/// Kafka's port in `cargo stack up`; its controller takes the one after.
pub const KAFKA: u16 = 19092;
/// The first command-service's port; the next one's is ten higher.
pub const COMMAND: u16 = 8080;
/// The first query-service's port; the next one's is ten higher.
pub const QUERY: u16 = 8081;
/// The console's port.
pub const CONSOLE: u16 = 8082;
/// The distance between the ports of two services of the same kind.
pub const STEP: u16 = 10;

/// Operating systems give higher ports to outgoing connections, so a free port here stays free until
/// its server takes it.
const FREE: std::ops::Range<u16> = 20_000..32_000;
const ATTEMPTS_MAX: usize = 1_000;

/// Finds `N` different free ports.
pub fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut rng = rand::rng();
    // All stay bound until the last one is found, so that no port is found twice.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let (found, listener) = (0..ATTEMPTS_MAX)
            // Even ones, because a Kafka controller may take the next port.
            .map(|_| rng.random_range(FREE) & !1)
            .find_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)))
            .context("no free port on 127.0.0.1")?;
        *port = found;
        held.push(listener);
    }
    Ok(ports)
}

/// A port of 127.0.0.1, what needs it, and the flag that changes it.
pub(crate) type PortUse = (u16, &'static str, &'static str);

/// Checks that all of these are free, and different from each other.
pub(crate) fn check_free(uses: &[PortUse]) -> anyhow::Result<()> {
    let mut held = Vec::new();
    for (port, user, flag) in uses {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, *port)) {
            Ok(listener) => held.push(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
                "port {port} for {user} is taken; `lsof -i :{port}` shows the program; stop it, or \
                 choose another port with {flag}"
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot listen on port {port}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_free_and_differ() {
        let ports: [u16; 3] = free().unwrap();
        check_free(&ports.map(|port| (port, "the test", "--port"))).unwrap();
    }

    #[test]
    fn a_port_for_two_is_refused_with_the_flag_that_changes_it() {
        let [port] = free().unwrap();
        let uses = [(port, "Postgres", "--postgres-port"), (port, "Kafka", "--kafka-port")];
        let message = check_free(&uses).unwrap_err().to_string();
        assert!(message.contains(&format!("port {port} for Kafka is taken")), "{message}");
        assert!(message.contains("--kafka-port"), "{message}");
    }
}
