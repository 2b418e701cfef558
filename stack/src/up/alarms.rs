//! Shows the warnings and errors that a service writes to its log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::stop_signal::StopSignal;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The bytes that are read at a time.
const LOOK_BYTES_MAX: u64 = 256 * 1024;

/// The lines that are shown at a time, so that a service which fails a thousand times a second does
/// not hide everything else.
const SHOWN_MAX: usize = 10;

/// Shows them until a signal.
pub(crate) async fn show(name: String, log: PathBuf, mut stop: StopSignal) {
    let mut reader = Reader::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.asked() => return,
        }
        // A log that cannot be read now is read the next time.
        let Ok(read) = reader.read_on(&log).await else {
            continue;
        };
        let alarms: Vec<&str> = read.lines().filter(|line| is_alarm(line)).collect();
        for line in alarms.iter().take(SHOWN_MAX) {
            tracing::warn!("{name}: {line}");
        }
        if alarms.len() > SHOWN_MAX {
            let more = alarms.len() - SHOWN_MAX;
            tracing::warn!("{name}: and {more} more in {}", log.display());
        }
    }
}

/// Reads the new complete lines of a log.
#[derive(Default)]
struct Reader {
    offset: u64,
}

impl Reader {
    async fn read_on(&mut self, log: &Path) -> std::io::Result<String> {
        let mut file = File::open(log).await?;
        file.seek(std::io::SeekFrom::Start(self.offset)).await?;
        let mut bytes = Vec::new();
        file.take(LOOK_BYTES_MAX).read_to_end(&mut bytes).await?;
        let whole = whole_lines(&bytes);
        self.offset += whole.len() as u64;
        Ok(String::from_utf8_lossy(whole).into_owned())
    }
}

/// Up to the end of the last line; a line that is too long is read in pieces.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => &bytes[..=end],
        None if bytes.len() as u64 == LOOK_BYTES_MAX => bytes,
        None => &[],
    }
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

    #[tokio::test]
    async fn a_line_is_read_once_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("query-service.log");
        let mut reader = Reader::default();
        std::fs::write(&log, "one\ntw").unwrap();
        assert_eq!(reader.read_on(&log).await.unwrap(), "one\n");
        std::fs::write(&log, "one\ntwo\n").unwrap();
        assert_eq!(reader.read_on(&log).await.unwrap(), "two\n");
        assert_eq!(reader.read_on(&log).await.unwrap(), "");
    }
}
