//! Pages of events of all lanes, read from the log lane by lane up to what is applied.

use futures::{StreamExt, TryStreamExt, stream};
use shared_events::lane::{Lane, Position, PositionToken};

use crate::pipeline::log_client::{Line, LogClient, LogError};

/// The most bytes of one page, apart from the last line of each lane.
const BYTES_MAX: usize = 4 << 20;

/// How many lanes are read at once.
const LANES_AT_ONCE: usize = 4;

/// The next applied events after a position: those of each lane in order, and the lanes merged by the
/// time of recording. At most `limit`; fewer if there are no more, or if they come to too many bytes,
/// but at least one if there is any.
pub(super) async fn next(
    log: &LogClient,
    after: &PositionToken,
    applied: &PositionToken,
    limit: usize,
) -> Result<Vec<Line>, LogError> {
    let mut page: Vec<Line> = Vec::new();
    let (mut reached, mut bytes) = (after.clone(), 0);
    // If a lane has less than its share, the next round distributes the rest.
    while page.len() < limit && bytes < BYTES_MAX {
        let shares = shares(&reached, applied, limit - page.len());
        if shares.is_empty() {
            break;
        }
        let bytes_max = (BYTES_MAX - bytes) / shares.len();
        let ask = |share: Share| log.lines_after(share.lane, share.after, share.count, bytes_max);
        let asked = stream::iter(shares.into_iter().map(ask)).buffered(LANES_AT_ONCE);
        let lines: Vec<Vec<Line>> = asked.try_collect().await?;
        let before = page.len();
        for line in lines.into_iter().flatten() {
            reached.reach(line.id.0, line.id.1);
            bytes += line.json.len();
            page.push(line);
        }
        if page.len() == before {
            // Applied events are in the log, unless a restore of the log has lost them.
            break;
        }
    }
    // Within a lane the time of recording never decreases, so sorting keeps the order.
    page.sort_by_key(|line| (line.recorded_at, line.id));
    Ok(page)
}

/// What to read from a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    lane: Lane,
    after: Position,
    count: usize,
}

/// Distributes `limit` among the lanes that have new events.
fn shares(after: &PositionToken, applied: &PositionToken, limit: usize) -> Vec<Share> {
    let news: Vec<(Lane, Position, Position)> = applied
        .iter()
        .map(|(lane, upto)| (lane, after.get(lane).unwrap_or_default(), upto))
        .filter(|(_, after, upto)| after < upto)
        .take(limit)
        .collect();
    let each = limit / news.len().max(1);
    let share = |(lane, after, upto): (Lane, Position, Position)| {
        let left = usize::try_from(upto.0 - after.0).unwrap_or(usize::MAX);
        Share { lane, after, count: left.min(each) }
    };
    news.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(positions: &[i64]) -> PositionToken {
        let lane = |(lane, position): (u16, &i64)| (Lane(lane), Position(*position));
        (0..).zip(positions).map(lane).collect()
    }

    #[test]
    fn lanes_without_new_events_are_not_read() {
        let shares = shares(&token(&[5, 7]), &token(&[5, 9]), 100);
        assert_eq!(shares, [Share { lane: Lane(1), after: Position(7), count: 2 }]);
    }

    proptest! {
        #[test]
        fn shares_keep_to_the_limit_and_make_progress(
            lanes in prop::collection::vec((0..50i64, 0..50i64), 1..20), limit in 1..200usize,
        ) {
            let after = token(&lanes.iter().map(|(after, _)| *after).collect::<Vec<_>>());
            let applied = token(&lanes.iter().map(|(_, applied)| *applied).collect::<Vec<_>>());
            let shares = shares(&after, &applied, limit);
            prop_assert!(shares.iter().map(|share| share.count).sum::<usize>() <= limit);
            for share in &shares {
                let left = applied.get(share.lane).expect("a lane of both").0 - share.after.0;
                prop_assert!(share.count >= 1 && i64::try_from(share.count).unwrap() <= left);
            }
            let has_news = lanes.iter().any(|(after, applied)| after < applied);
            prop_assert_eq!(!shares.is_empty(), has_news);
        }
    }
}
