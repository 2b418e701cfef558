//! Compares events with the last event of a lane that was applied. PURE.

use std::cmp::Ordering;

use shared_events::chain::Chain;
use shared_events::lane::Position;
use shared_events::recorded::RecordedEvent;

use crate::pipeline::fact::Fact;

/// The last event of a lane that a projection has applied, or the last one in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// 0 before the first event.
    pub position: Position,
    pub chain: Chain,
}

/// How an event relates to a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Applied already.
    Duplicate,
    /// The next one.
    Next,
    /// Events before it are missing.
    Gap,
    /// Another event than the one applied at this position: two logs exist.
    Fork,
    /// The next one, but its chain does not follow from what was applied.
    Broken,
}

impl Checkpoint {
    pub fn step(&self, fact: &Fact) -> Step {
        let event = &fact.recorded;
        match event.position.cmp(&self.position) {
            Ordering::Less => Step::Duplicate,
            Ordering::Equal if event.chain == self.chain => Step::Duplicate,
            Ordering::Equal => Step::Fork,
            Ordering::Greater if event.position != self.position.next() => Step::Gap,
            Ordering::Greater if fact.follows(self.chain) => Step::Next,
            Ordering::Greater => Step::Broken,
        }
    }

    pub fn after(event: &RecordedEvent) -> Self {
        Self { position: event.position, chain: event.chain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_log::Log;

    fn three() -> Vec<RecordedEvent> {
        let mut log = Log::with_lanes(1);
        log.register_item("A", 0);
        log.receive("A", "MAIN", 5);
        log.issue("A", "MAIN", 2);
        log.events
    }

    #[test]
    fn only_the_next_event_is_next() {
        let events = three();
        let at_two = Checkpoint::after(&events[1]);
        assert_eq!(Checkpoint::default().step(&Fact::of(events[0].clone())), Step::Next);
        assert_eq!(Checkpoint::default().step(&Fact::of(events[1].clone())), Step::Gap);
        assert_eq!(at_two.step(&Fact::of(events[0].clone())), Step::Duplicate);
        assert_eq!(at_two.step(&Fact::of(events[1].clone())), Step::Duplicate);
        assert_eq!(at_two.step(&Fact::of(events[2].clone())), Step::Next);
    }

    #[test]
    fn another_event_at_the_same_position_is_a_fork() {
        let events = three();
        let mut other = events[1].clone();
        other.chain = Chain([7; 32]);
        assert_eq!(Checkpoint::after(&events[1]).step(&Fact::of(other)), Step::Fork);
    }

    #[test]
    fn a_changed_event_breaks_the_chain() {
        let events = three();
        let mut changed = events[2].clone();
        changed.version.0 += 1;
        assert_eq!(Checkpoint::after(&events[1]).step(&Fact::of(changed)), Step::Broken);
        let mut forged = events[2].clone();
        forged.chain = Chain([7; 32]);
        assert_eq!(Checkpoint::after(&events[1]).step(&Fact::of(forged)), Step::Broken);
    }
}
