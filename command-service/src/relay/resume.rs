//! Where a relay that takes over a lane continues. Pure.
//!
//! Readers drop `position ≤ last`, so a run of records is harmless wherever it starts, as long as
//! it starts no later than one after what is already visible and has no gap. That much must always
//! hold; beyond it, we start as late as can be proven right, so that an ordinary crash leaves no
//! duplicates for people to wonder about.

use shared_events::chain::Chain;
use shared_events::lane::Position;

/// One of our records, as seen in the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) position: Position,
    pub(crate) chain: Chain,
}

/// What a partition holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The offset of the first record still there.
    pub(crate) low: i64,
    /// The offset after the last record.
    pub(crate) high: i64,
    /// The last record of ours.
    pub(crate) tail: Option<Seen>,
    /// The last `tail − mark` records, unless there are too many to read.
    pub(crate) since_mark: Vec<Seen>,
}

/// The log of the same lane, read after the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Log {
    /// Its last position; 0 for an empty lane.
    pub(crate) head: Position,
    /// Its chain at the position of the partition's tail.
    pub(crate) chain_at_tail: Option<Chain>,
}

/// The partition holds another history than the log: one of them was restored or swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fork {
    #[error("Kafka has position {tail}, but the log ends at {head}")]
    BeyondHead { tail: Position, head: Position },
    #[error(
        "at position {position} Kafka has chain {kafka}, but the log has {}",
        .log.map_or("nothing".to_owned(), |chain| chain.to_string())
    )]
    OtherChain { position: Position, kafka: Chain, log: Option<Chain> },
}

/// The position to continue at, given the relay mark.
pub(crate) fn resume(mark: Position, partition: &Partition, log: Log) -> Result<Position, Fork> {
    let Some(tail) = partition.tail else {
        return Ok(if partition.high == 0 {
            Position(1)
        } else {
            // Retention took every record, so every acknowledged one had been there.
            mark.min(log.head).next()
        });
    };
    if tail.position > log.head {
        return Err(Fork::BeyondHead { tail: tail.position, head: log.head });
    }
    if log.chain_at_tail != Some(tail.chain) {
        return Err(Fork::OtherChain {
            position: tail.position,
            kafka: tail.chain,
            log: log.chain_at_tail,
        });
    }
    // Retention took nothing, yet there are fewer records than positions: the topic was recreated
    // while we were sending, and its beginning went to the old one.
    if partition.low == 0 && partition.high < tail.position.0 {
        return Ok(Position(1));
    }
    if mark < tail.position && is_run(mark, &partition.since_mark, tail.position) {
        return Ok(tail.position.next());
    }
    Ok(mark.min(tail.position).next())
}

/// Whether the records are exactly the positions after `mark` up to `tail`, in order.
fn is_run(mark: Position, records: &[Seen], tail: Position) -> bool {
    let expected = (mark.0 + 1)..=tail.0;
    expected.eq(records.iter().map(|seen| seen.position.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(position: i64) -> Seen {
        Seen { position: Position(position), chain: chain(position) }
    }

    fn chain(position: i64) -> Chain {
        Chain([u8::try_from(position % 251).expect("below 251"); 32])
    }

    /// A partition of offsets `low..`, holding these positions.
    fn partition(low: i64, positions: &[i64], mark: i64) -> Partition {
        let tail = positions.last().copied();
        let run = tail.map_or(0, |tail| tail - mark);
        let run = usize::try_from(run).unwrap_or(0).min(positions.len());
        Partition {
            low,
            high: low + i64::try_from(positions.len()).expect("a few"),
            tail: tail.map(seen),
            since_mark: positions[positions.len() - run..].iter().copied().map(seen).collect(),
        }
    }

    fn resume_at(mark: i64, low: i64, positions: &[i64], head: i64) -> Result<i64, Fork> {
        let partition = partition(low, positions, mark);
        let chain_at_tail = partition
            .tail
            .filter(|tail| tail.position.0 <= head)
            .map(|tail| chain(tail.position.0));
        let log = Log { head: Position(head), chain_at_tail };
        resume(Position(mark), &partition, log).map(|position| position.0)
    }

    #[test]
    fn a_lane_continues_as_late_as_can_be_proven() {
        type Case = (&'static str, i64, i64, &'static [i64], i64, i64);
        let cases: [Case; 15] = [
            // What happened; mark, first offset, positions in the partition, head; the next position.
            ("nothing was ever written", 0, 0, &[], 0, 1),
            ("only the log was written", 0, 0, &[], 9, 1),
            ("the topic was recreated, whatever the mark", 9, 0, &[], 9, 1),
            ("retention took everything", 5, 7, &[], 9, 6),
            ("retention took everything, and the mark is beyond the log", 9, 7, &[], 5, 6),
            ("an ordinary stop", 3, 0, &[1, 2, 3], 9, 4),
            ("a crash before the mark was saved", 1, 0, &[1, 2, 3, 4], 9, 5),
            ("a crash before the first mark was saved", 0, 0, &[1, 2, 3, 4], 4, 5),
            ("duplicates after the mark", 1, 0, &[1, 2, 3, 4, 3, 4], 9, 2),
            ("duplicates after the mark, complete again since", 1, 0, &[1, 2, 3, 2, 3, 4], 9, 5),
            ("a recreated topic that is half filled", 9, 0, &[1, 2, 3], 9, 4),
            // The other relay sends 1, 2, 3, and need not have been complete.
            ("a second relay that is behind", 5, 0, &[1, 2, 3, 4, 5, 6, 1, 2, 3], 9, 4),
            ("the topic was recreated in the middle of a run", 6, 0, &[7, 8, 9], 9, 1),
            ("retention before the run, not a new topic", 8, 6, &[7, 8, 9], 9, 10),
            ("the whole log is there", 9, 0, &[1, 2, 3, 4, 5, 6, 7, 8, 9], 9, 10),
        ];
        for (case, mark, low, positions, head, next) in cases {
            assert_eq!(resume_at(mark, low, positions, head), Ok(next), "{case}");
        }
    }

    #[test]
    fn a_run_that_was_too_long_to_read_starts_at_the_mark() {
        let mut partition = partition(0, &[1, 2, 3, 4], 1);
        partition.since_mark.clear();
        let log = Log { head: Position(4), chain_at_tail: Some(chain(4)) };
        assert_eq!(resume(Position(1), &partition, log), Ok(Position(2)));
    }

    #[test]
    fn a_tail_beyond_the_log_is_a_fork() {
        let fork = resume_at(3, 0, &[1, 2, 3, 4], 3);
        assert_eq!(fork, Err(Fork::BeyondHead { tail: Position(4), head: Position(3) }));
    }

    #[test]
    fn another_chain_at_the_tail_is_a_fork_even_when_the_mark_agrees() {
        let partition = partition(0, &[1, 2, 3], 3);
        let log = Log { head: Position(9), chain_at_tail: Some(chain(200)) };
        let fork = resume(Position(3), &partition, log).expect_err("a fork");
        assert!(fork.to_string().contains("at position 3"), "{fork}");
    }
}
