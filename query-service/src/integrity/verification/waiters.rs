//! Who waits for the stock of a lane, by its events, and the rows of `waitlist` compared with that.

use std::collections::HashMap;

use shared_events::event::{Event, FilledStock, UnqueuedStock, WaitChanged};
use shared_events::lane::{EventId, Lane, Position};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use shared_events::values::ReservationId;

use crate::integrity::difference::{Difference, Kind};
use crate::integrity::rows::{WaiterRow, values};
use crate::projections::stock::turn;

/// The rows as they have to be, by reservation and line.
#[derive(Debug, Default)]
pub(super) struct Waiters(HashMap<(String, i64), Expected>);

#[derive(Debug)]
struct Expected {
    row: WaiterRow,
    /// Whether the view has such a row.
    is_met: bool,
}

impl Waiters {
    /// Updates the row that an event changes.
    pub(super) fn follow(&mut self, recorded: &RecordedEvent, event: &Event) {
        let (reservation, line, waiting, priority, wait_until) = match event {
            Event::StockWaitlisted(event) => {
                let row = WaiterRow::of(recorded, event);
                let key = (row.reservation.clone(), row.line);
                self.0.insert(key, Expected { row, is_met: false });
                return;
            }
            Event::StockWaitlistFilled(FilledStock {
                reservation,
                line,
                waiting,
                wait_until,
                ..
            })
            | Event::StockWaitlistLeft(UnqueuedStock {
                reservation,
                line,
                waiting,
                wait_until,
                ..
            }) => (reservation, line, *waiting, None, wait_until),
            Event::StockWaitlistChanged(WaitChanged {
                reservation,
                line,
                quantity,
                priority,
                wait_until,
                ..
            }) => (reservation, line, *quantity, Some(*priority), wait_until),
            _ => return,
        };
        self.change(recorded, (reservation, *line), waiting, priority, *wait_until);
    }

    /// A line whose begin was skipped has no row.
    fn change(
        &mut self,
        recorded: &RecordedEvent,
        (reservation, line): (&ReservationId, u32),
        waiting: i64,
        priority: Option<u8>,
        wait_until: Timestamp,
    ) {
        let key = (reservation.to_string(), i64::from(line));
        if waiting == 0 {
            self.0.remove(&key);
        } else if let Some(Expected { row, .. }) = self.0.get_mut(&key) {
            row.waiting = waiting;
            row.turn = priority.map_or(row.turn, turn);
            row.wait_until = wait_until.to_utc();
            row.version = recorded.version.0;
            row.position = recorded.position.0;
            row.updated_at = recorded.recorded_at.to_utc();
        }
    }

    pub(super) fn compare(&mut self, lane: Lane, found: &WaiterRow) -> Option<Difference> {
        let Some(expected) = self.0.get_mut(&(found.reservation.clone(), found.line)) else {
            let row = format_args!("a row of {} line {}", found.reservation, found.line);
            return Some(Difference::new(Kind::Waitlist, "no row", row).of_name(&found.stream()));
        };
        expected.is_met = true;
        let row = &expected.row;
        (row != found).then(|| {
            Difference::between(Kind::Waitlist, &row.columns(), &values(found.columns()))
                .at_event(EventId(lane, Position(row.position)))
                .of_name(&row.stream())
        })
    }

    /// The lines that the view lacks, each with the position of its last event.
    pub(super) fn absent(&self, lane: Lane) -> impl Iterator<Item = (Position, Difference)> + '_ {
        let rows =
            self.0.values().filter(|expected| !expected.is_met).map(|expected| &expected.row);
        rows.map(move |row| {
            let position = Position(row.position);
            let difference = Difference::new(Kind::Waitlist, "a row", "no row")
                .at_event(EventId(lane, position))
                .of_name(&row.stream());
            (position, difference)
        })
    }
}
