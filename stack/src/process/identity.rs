//! When a process was started: with its id, what makes it that process and no later one.

/// When the process was started, in a form that is only compared; nothing when it has ended, be it
/// that its parent has not asked for its status yet.
#[must_use]
pub fn started(pid: u32) -> Option<String> {
    system::started(pid)
}

#[cfg(target_os = "linux")]
mod system {
    /// Clock ticks since the boot, and which boot.
    pub(super) fn started(pid: u32) -> Option<String> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let ticks = super::start_ticks(&stat)?;
        Some(format!("{ticks}@{}", boot.trim()))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::process::Command;

    pub(super) fn started(pid: u32) -> Option<String> {
        let pid = pid.to_string();
        let output = Command::new("ps")
            .args(["-o", "stat=,lstart=", "-p", &pid])
            .env("LC_ALL", "C")
            .output()
            .ok()?;
        super::start_time(std::str::from_utf8(&output.stdout).ok()?)
    }
}

/// The start of a process in the text of `/proc/PID/stat`.
///
/// The program's name, in parentheses, may itself hold blanks and parentheses.
#[cfg(any(target_os = "linux", test))]
fn start_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // The state is field 3 of proc(5), the start time field 22.
    fields.nth(18)?.parse().ok()
}

/// The start of a process in what `ps -o stat=,lstart=` prints.
#[cfg(any(not(target_os = "linux"), test))]
fn start_time(line: &str) -> Option<String> {
    let (state, time) = line.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| time.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a (b) c) S 1 4242 4242 0 -1 4194560 1 0 0 0 7 3 0 0 20 0 1 0 \
                        987654 1000 10 18446744073709551615";

    #[test]
    fn the_start_is_found_behind_any_program_name() {
        assert_eq!(start_ticks(STAT), Some(987_654));
    }

    #[test]
    fn a_process_that_only_waits_to_be_buried_has_ended() {
        assert_eq!(start_ticks(&STAT.replace(") S ", ") Z ")), None);
        assert_eq!(start_time("Z+  Thu Jan  1 10:00:00 2026\n"), None);
    }

    #[test]
    fn the_start_is_read_from_ps() {
        assert_eq!(
            start_time("Ss   Thu Jan  1 10:00:00 2026\n").as_deref(),
            Some("Thu Jan  1 10:00:00 2026")
        );
        assert_eq!(start_time(""), None);
    }

    #[test]
    fn a_process_keeps_its_start() {
        let me = std::process::id();
        assert!(started(me).is_some());
        assert_eq!(started(me), started(me));
    }
}
