//! Where a relay that takes over a lane goes on. Pure.
//!
//! Readers drop `position ≤ last`, so a run of records is harmless wherever it starts, as long as
//! it starts no later than one after what is already visible and has no gap. That much must always
//! hold; beyond it, we start as late as can be proven right, so that an ordinary crash leaves no
//! duplicates for people to wonder about.

use shared_events::chain::Chain;
use shared_events::lane::Position;

/// One of our records, as seen in the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) position: Position,
    pub(super) chain: Chain,
}

/// What a partition holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Partition {
    /// The offset of the first record still there.
    pub(super) low: i64,
    /// The offset after the last record.
    pub(super) high: i64,
    /// The last record of ours.
    pub(super) tail: Option<Seen>,
    /// The last `tail − mark` records, where it was worth reading them.
    pub(super) since_mark: Vec<Seen>,
}

/// What the log says of the same lane, read after the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log {
    /// Its last position; 0 for an empty lane.
    pub(super) head: Position,
    /// Its chain at the position of the partition's tail.
    pub(super) chain_at_tail: Option<Chain>,
}

/// The partition holds another history than the log: one of them was restored or swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fork {
    #[error("Kafka has position {tail}, but the log ends at {head}")]
    BeyondHead { tail: Position, head: Position },
    #[error(
        "at position {position} Kafka has chain {kafka}, but the log has {}",
        .log.map_or("nothing".to_owned(), |chain| chain.to_string())
    )]
    OtherChain { position: Position, kafka: Chain, log: Option<Chain> },
}

/// The position to go on at, given the mark: the position up to which records were acknowledged.
///
/// # Errors
/// The partition's tail is not the log's.
pub(super) fn resume(mark: Position, partition: &Partition, log: Log) -> Result<Position, Fork> {
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
    // Nothing was cut off in front, yet there are fewer records than positions: the topic was made
    // anew while we were sending, and its beginning went to the old one.
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
    fn a_partition_never_written_starts_at_the_beginning() {
        assert_eq!(resume_at(0, 0, &[], 0), Ok(1));
        assert_eq!(resume_at(0, 0, &[], 9), Ok(1));
    }

    #[test]
    fn a_topic_made_anew_is_filled_from_the_beginning_whatever_the_mark_says() {
        assert_eq!(resume_at(9, 0, &[], 9), Ok(1));
    }

    #[test]
    fn a_partition_emptied_by_retention_goes_on_at_the_mark() {
        assert_eq!(resume_at(5, 7, &[], 9), Ok(6));
        assert_eq!(resume_at(9, 7, &[], 5), Ok(6), "a mark beyond the log is not believed");
    }

    #[test]
    fn an_ordinary_stop_goes_on_behind_the_mark() {
        assert_eq!(resume_at(3, 0, &[1, 2, 3], 9), Ok(4));
    }

    #[test]
    fn a_crash_before_the_mark_was_saved_leaves_no_duplicates() {
        assert_eq!(resume_at(1, 0, &[1, 2, 3, 4], 9), Ok(5));
        assert_eq!(resume_at(0, 0, &[1, 2, 3, 4], 4), Ok(5));
    }

    #[test]
    fn a_crash_with_duplicates_behind_the_mark_starts_at_the_mark() {
        assert_eq!(resume_at(1, 0, &[1, 2, 3, 4, 3, 4], 9), Ok(2));
        assert_eq!(resume_at(1, 0, &[1, 2, 3, 2, 3, 4], 9), Ok(5), "whole again since");
    }

    #[test]
    fn a_run_that_was_too_long_to_read_starts_at_the_mark() {
        let mut partition = partition(0, &[1, 2, 3, 4], 1);
        partition.since_mark.clear();
        let log = Log { head: Position(4), chain_at_tail: Some(chain(4)) };
        assert_eq!(resume(Position(1), &partition, log), Ok(Position(2)));
    }

    #[test]
    fn a_topic_half_filled_again_goes_on_behind_its_tail() {
        assert_eq!(resume_at(9, 0, &[1, 2, 3], 9), Ok(4));
    }

    #[test]
    fn a_second_relay_behind_us_is_followed_not_trusted_to_have_been_complete() {
        // The other one is filling 1, 2, 3 while the mark stands at 5.
        assert_eq!(resume_at(5, 0, &[1, 2, 3, 4, 5, 6, 1, 2, 3], 9), Ok(4));
    }

    #[test]
    fn a_topic_made_anew_in_the_middle_of_a_run_is_filled_from_the_beginning() {
        assert_eq!(resume_at(6, 0, &[7, 8, 9], 9), Ok(1));
    }

    #[test]
    fn retention_in_front_is_not_mistaken_for_a_new_topic() {
        assert_eq!(resume_at(8, 6, &[7, 8, 9], 9), Ok(10));
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
