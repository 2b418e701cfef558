//! Who listens on a port, as far as this user may see.

/// A process that listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) name: String,
}

/// The process that listens on a TCP port of this machine.
pub(super) fn of(port: u16) -> Option<Holder> {
    system::of(port)
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Holder, listening_socket};

    pub(super) fn of(port: u16) -> Option<Holder> {
        let socket = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
            let table = std::fs::read_to_string(table).ok()?;
            listening_socket(&table, port)
        })?;
        let link = format!("socket:[{socket}]");
        let processes = std::fs::read_dir("/proc").ok()?;
        let pid = processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(|pid| has_open(*pid, &link))?;
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(Holder { pid, name: name.trim().to_owned() })
    }

    fn has_open(pid: u32, link: &str) -> bool {
        let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
            return false;
        };
        files
            .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
            .any(|target| target.as_os_str() == link)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::process::Command;

    use super::{Holder, from_lsof};

    pub(super) fn of(port: u16) -> Option<Holder> {
        let output = Command::new("lsof")
            .args(["-nP", "-sTCP:LISTEN", "-Fpc"])
            .arg(format!("-iTCP:{port}"))
            .output()
            .ok()?;
        from_lsof(std::str::from_utf8(&output.stdout).ok()?)
    }
}

/// The inode of the socket that listens on the port, in the text of `/proc/net/tcp`.
#[cfg(any(target_os = "linux", test))]
fn listening_socket(table: &str, port: u16) -> Option<u64> {
    const LISTENING: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, at) = fields.get(1)?.rsplit_once(':')?;
        let here = u16::from_str_radix(at, 16).ok()? == port && *fields.get(3)? == LISTENING;
        if here { fields.get(9)?.parse().ok() } else { None }
    })
}

/// The first process in what `lsof -Fpc` prints.
#[cfg(any(not(target_os = "linux"), test))]
fn from_lsof(output: &str) -> Option<Holder> {
    let field = |letter| output.lines().find_map(|line| line.strip_prefix(letter));
    Some(Holder { pid: field('p')?.parse().ok()?, name: field('c')?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listening_socket_is_found_and_no_other() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  0 0 111 1\n\
            1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 222 1\n";
        assert_eq!(listening_socket(table, 8080), Some(222));
        assert_eq!(listening_socket(table, 8081), None);
    }

    #[test]
    fn lsof_names_the_process() {
        let holder = from_lsof("p4242\ncpython3\nf3\n").unwrap();
        assert_eq!((holder.pid, holder.name.as_str()), (4242, "python3"));
        assert_eq!(from_lsof(""), None);
    }
}
