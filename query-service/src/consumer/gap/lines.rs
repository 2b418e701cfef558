//! Events as the log tells them: lines that are passed on as they are.

use serde::Deserialize;
use shared_events::lane::{EventId, Lane, Position};
use shared_events::time::Timestamp;

use super::{LogClient, LogError};

/// One event as the log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which event.
    pub id: EventId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Its JSON, without the end of the line.
    pub json: String,
}

impl LogClient {
    /// At most `limit` events of a lane after a position, as the log tells them; fewer if they come to
    /// more than `bytes_max`, but one at least, if there is any.
    ///
    /// # Errors
    /// None of the services answered well; the last one's error.
    pub async fn lines_after(
        &self,
        lane: Lane,
        after: Position,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Line>, LogError> {
        let path = format!("/v1/lanes/{lane}/events");
        let parameters = [("after", after.to_string()), ("limit", limit.to_string())];
        let body = self.get(&path, &parameters).await?;
        let lines = lines(&body, bytes_max)?;
        if lines.is_empty() && !body.is_empty() {
            return Err(LogError::TooLong);
        }
        Ok(lines)
    }
}

/// What of an event has to be known to pass it on.
#[derive(Deserialize)]
struct Head {
    lane: Lane,
    position: Position,
    recorded_at: Timestamp,
}

/// The whole lines of an answer; a last line that was cut off is left for the next time.
fn lines(body: &[u8], bytes_max: usize) -> Result<Vec<Line>, LogError> {
    let end = body.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
    let mut lines = Vec::new();
    let mut bytes = 0;
    for line in body[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if bytes > 0 && bytes + line.len() > bytes_max {
            break;
        }
        bytes += line.len();
        let Head { lane, position, recorded_at } = serde_json::from_slice(line)?;
        let json = String::from_utf8_lossy(line).into_owned();
        lines.push(Line { id: EventId(lane, position), recorded_at, json });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "{\"lane\":3,\"position\":7,\"recorded_at\":\"2026-11-20T10:00:00Z\"}\n\
                        {\"lane\":3,\"position\":8,\"recorded_at\":\"2026-11-20T10:00:01Z\"}\n";

    fn positions(body: &str, bytes_max: usize) -> Vec<i64> {
        let lines = lines(body.as_bytes(), bytes_max).expect("lines of events");
        lines.iter().map(|line| line.id.1.0).collect()
    }

    #[test]
    fn whole_lines_are_taken_and_the_rest_is_left() {
        assert_eq!(positions(BODY, 1_000), [7, 8]);
        assert_eq!(positions(&BODY[..BODY.len() - 1], 1_000), [7]);
        assert_eq!(positions("", 1_000), [0; 0]);
        assert_eq!(positions("{\"lane\"", 1_000), [0; 0]);
    }

    #[test]
    fn bytes_are_bounded_but_one_line_always_fits() {
        assert_eq!(positions(BODY, 1), [7]);
    }
}
