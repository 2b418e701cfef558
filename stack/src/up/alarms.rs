//! Shows the warnings and errors that a service writes to its log.

use std::path::PathBuf;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::AsyncReadExt;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The bytes that are read at a time.
const LOOK_BYTES_MAX: u64 = 256 * 1024;

/// The lines that are shown at a time, so that a service which fails a thousand times a second does
/// not hide everything else.
const SHOWN_MAX: usize = 10;

/// Shows them from now on.
pub(crate) async fn show(name: String, log: PathBuf) {
    let mut file = None;
    let mut read = Vec::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if file.is_none() {
            file = File::open(&log).await.ok();
        }
        // A log that cannot be read now is read the next time.
        if let Some(file) = &mut file {
            let _ = file.take(LOOK_BYTES_MAX).read_to_end(&mut read).await;
        }
        let lines = whole_lines(&mut read);
        let alarms: Vec<&str> = lines.lines().filter(|line| is_alarm(line)).collect();
        for line in alarms.iter().take(SHOWN_MAX) {
            tracing::warn!("{name}: {line}");
        }
        if alarms.len() > SHOWN_MAX {
            let more = alarms.len() - SHOWN_MAX;
            tracing::warn!("{name}: and {more} more in {}", log.display());
        }
    }
}

/// Takes everything up to the end of the last line.
fn whole_lines(read: &mut Vec<u8>) -> String {
    let end = read.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    String::from_utf8_lossy(&read.drain(..end).collect::<Vec<_>>()).into_owned()
}

/// Whether a line is a warning, an error or a panic, as text (time, level, …) or as JSON.
fn is_alarm(line: &str) -> bool {
    let level = line.split_ascii_whitespace().nth(1);
    matches!(level, Some("WARN" | "ERROR"))
        || line.contains("\"level\":\"WARN\"")
        || line.contains("\"level\":\"ERROR\"")
        || (line.starts_with("thread '") && line.contains("panicked at"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_warnings_errors_and_panics_are_shown() {
        for line in [
            "2026-01-05T09:00:00.000000Z  WARN relay: the broker is away",
            "2026-01-05T09:00:00.000000Z ERROR writer: no database",
            r#"{"timestamp":"2026-01-05T09:00:00Z","level":"ERROR","fields":{}}"#,
            "thread 'main' panicked at src/main.rs:1:1:",
        ] {
            assert!(is_alarm(line), "{line}");
        }
        for line in ["2026-01-05T09:00:00Z  INFO relay: ERROR in the text", "", "WARN"] {
            assert!(!is_alarm(line), "{line}");
        }
    }

    #[test]
    fn a_line_is_taken_once_when_it_is_complete() {
        let mut read = b"one\ntw".to_vec();
        assert_eq!(whole_lines(&mut read), "one\n");
        assert_eq!(whole_lines(&mut read), "");
        read.extend(b"o\n");
        assert_eq!(whole_lines(&mut read), "two\n");
    }
}
