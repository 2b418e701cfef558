//! Events in steps, and steps in the order in which they are taken back.

use std::collections::HashMap;

use shared_events::lane::EventId;
use shared_events::time::Timestamp;
use shared_events::values::Label;

/// Events that are taken back together: those of one correlation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) correlation_id: Label,
    /// The newest first.
    pub(super) events: Vec<EventId>,
}

/// An event that matches.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: EventId,
    pub(super) correlation_id: Label,
    pub(super) recorded_at: Timestamp,
    /// Whether it is the first half of a move, whose second half stands right after it.
    pub(super) is_moved_out: bool,
}

/// Puts events together by correlation, and those in order of their newest event, the newest first. A
/// correlation of more events than a reversal may have becomes several steps, of which none has a move
/// by half: goods that left twice or never arrived would be made up.
pub(super) fn into_steps(mut found: Vec<Found>, step_max: usize) -> Vec<Step> {
    // The newest first; then a correlation's place is that of the first of it.
    found.sort_unstable_by_key(|found| std::cmp::Reverse((found.recorded_at, found.id)));
    let mut places: HashMap<Label, usize> = HashMap::new();
    let mut steps: Vec<Step> = Vec::new();
    for Found { id, correlation_id, is_moved_out, .. } in found {
        let next = steps.len();
        let place = places.entry(correlation_id.clone()).or_insert(next);
        // The second half came just before, and found room for both.
        let is_full = *place < next && steps[*place].events.len() + 1 >= step_max;
        if is_full && !is_moved_out {
            *place = next;
        }
        if *place == next {
            steps.push(Step { correlation_id, events: Vec::new() });
        }
        steps[*place].events.push(id);
    }
    steps
}

/// How many steps, given the events of each, have at most so many together: one at least, where there
/// is one.
pub(super) fn fitting(sizes: impl Iterator<Item = usize>, events_max: usize) -> usize {
    let mut events = 0;
    let fits = |(nth, size): &(usize, usize)| {
        events += size;
        *nth == 0 || events <= events_max
    };
    sizes.enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use shared_events::lane::{Lane, Position};

    use super::*;

    fn found(correlation: &str, second: i64, lane: u16, position: i64) -> Found {
        Found {
            id: EventId(Lane(lane), Position(position)),
            correlation_id: correlation.parse().unwrap(),
            recorded_at: Timestamp::new(DateTime::from_timestamp(second, 0).unwrap()),
            is_moved_out: false,
        }
    }

    fn told(steps: &[Step]) -> Vec<String> {
        let events = |step: &Step| {
            step.events.iter().map(ToString::to_string).collect::<Vec<String>>().join(" ")
        };
        steps.iter().map(|step| format!("{}: {}", step.correlation_id, events(step))).collect()
    }

    #[test]
    fn steps_go_from_the_correlation_with_the_newest_event_to_the_oldest() {
        let all = vec![
            found("a", 1, 0, 1),
            found("b", 1, 0, 2),
            found("b", 1, 1, 1),
            found("c", 2, 0, 3),
            found("a", 3, 1, 2),
        ];
        assert_eq!(told(&into_steps(all, 10)), ["a: 1-2 0-1", "c: 0-3", "b: 1-1 0-2"]);
        assert_eq!(into_steps(Vec::new(), 10), []);
    }

    #[test]
    fn a_correlation_that_is_too_large_becomes_several_steps() {
        let all = (1..=5).map(|nth| found("a", nth, 0, nth)).collect();
        assert_eq!(told(&into_steps(all, 3)), ["a: 0-5 0-4", "a: 0-3 0-2", "a: 0-1"]);
    }

    #[test]
    fn a_step_has_both_halves_of_a_move_or_none() {
        let moves = |first: i64| -> Vec<Found> {
            let half =
                |nth: i64| Found { is_moved_out: (nth - first) % 2 == 0, ..found("a", 1, 0, nth) };
            (first..first + 6).map(half).collect()
        };
        let expected = ["a: 0-6 0-5 0-4 0-3", "a: 0-2 0-1"];
        assert_eq!(told(&into_steps(moves(1), 4)), expected);
        let mut all = moves(1);
        all.push(found("a", 1, 0, 7));
        let expected = ["a: 0-7 0-6 0-5", "a: 0-4 0-3 0-2 0-1"];
        assert_eq!(told(&into_steps(all, 4)), expected);
    }

    #[test]
    fn steps_go_together_up_to_a_number_of_events_but_one_goes_in_any_case() {
        let fits = |sizes: &[usize]| fitting(sizes.iter().copied(), 10);
        assert_eq!([fits(&[]), fits(&[11, 1]), fits(&[4, 6, 1]), fits(&[4, 7])], [0, 1, 2, 1]);
    }
}
