//! Reservations of the log that wait.

use serde_json::json;
use shared_events::event::Figures;
use shared_events::reservation::{Part, Reservation, ReservationLine, ReservationStatus};
use shared_events::slot::slot_of;
use shared_events::values::ReservationId;
use uuid::Uuid;

use super::{Log, at};

/// What happens to a reservation that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitStep {
    Fill,
    Leave,
    Change,
}

impl WaitStep {
    pub(crate) const ALL: [Self; 3] = [Self::Fill, Self::Leave, Self::Change];
}

impl Log {
    /// Makes a reservation of one line that waits for all of it, and returns its number.
    pub(crate) fn wait(&mut self, sku: &str, location: &str, quantity: i64, priority: u8) -> usize {
        let number = self.waiting.len();
        let reservation = Reservation {
            id: ReservationId::new(slot_of(sku), Uuid::from_u128(1_000_000 + number as u128)),
            owner: format!("customer-{}", number % 3).parse().expect("an owner"),
            status: ReservationStatus::Waiting,
            expires_at: at(2_000_060),
            wait_until: Some(at(2_000_000)),
            priority: Some(priority),
            reference: None,
            lines: vec![ReservationLine {
                line: 1,
                sku: sku.parse().expect("a sku"),
                location: location.parse().expect("a location"),
                requested: quantity,
                quantity: 0,
                waiting: quantity,
                released: 0,
                fulfilled: 0,
                returned: 0,
            }],
        };
        self.record_step(&reservation, "ReservationWaitlisted", &[]);
        let members = json!({ "owner": reservation.owner, "fill": "parts" });
        self.change_wait(&reservation, "StockWaitlisted", quantity, members);
        self.waiting.push(reservation);
        number
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Lets at most so much of a reservation that waits be filled or leave, or changes its priority. One
    /// that does not wait stays as it is.
    pub(crate) fn wait_step(&mut self, number: usize, step: WaitStep, most: i64) {
        let mut after = self.waiting[number].clone();
        let line = &mut after.lines[0];
        let quantity = line.waiting.min(most);
        if quantity == 0 {
            return;
        }
        let parts = [Part { line: 1, quantity }];
        let filled_at = at(self.events.len() as i64);
        match step {
            WaitStep::Fill => {
                line.waiting -= quantity;
                line.quantity += quantity;
                let is_filled = line.waiting == 0;
                let members = json!({ "waiting": line.waiting, "filled_at": filled_at });
                self.change_wait(&after, "StockWaitlistFilled", quantity, members);
                if is_filled {
                    after.status = ReservationStatus::Held;
                }
                self.record_step(&after, "ReservationFilled", &parts);
            }
            WaitStep::Leave => {
                line.waiting -= quantity;
                let waits = line.waiting > 0;
                let members = json!({ "waiting": line.waiting, "why": "released" });
                if !waits && line.open() > 0 {
                    after.status = ReservationStatus::Held;
                } else if !waits {
                    after.status = ReservationStatus::Released;
                }
                self.record_step(&after, "ReservationReleased", &parts);
                self.change_wait(&after, "StockWaitlistLeft", quantity, members);
            }
            WaitStep::Change => {
                let waiting = line.waiting;
                after.priority = Some((most % 10) as u8);
                let members = json!({ "waited_until": after.wait_until });
                self.record_step(&after, "ReservationWaitlistChanged", &[]);
                self.change_wait(&after, "StockWaitlistChanged", waiting, members);
            }
        }
        self.waiting[number] = after;
    }

    fn change_wait(
        &mut self,
        of: &Reservation,
        event_type: &str,
        quantity: i64,
        mut members: serde_json::Value,
    ) {
        let delta = match event_type {
            "StockWaitlisted" => Figures { waiting: quantity, ..Figures::default() },
            "StockWaitlistFilled" => {
                Figures { waiting: -quantity, reserved: quantity, ..Figures::default() }
            }
            "StockWaitlistLeft" => Figures { waiting: -quantity, ..Figures::default() },
            _ => Figures::default(),
        };
        let line = &of.lines[0];
        members["reservation"] = json!(of.id);
        members["line"] = json!(1);
        members["quantity"] = json!(quantity);
        members["priority"] = json!(of.priority);
        members["wait_until"] = json!(of.wait_until);
        members["expires_at"] = json!(of.expires_at);
        self.change_stock(event_type, line.sku.as_str(), line.location.as_str(), delta, members);
    }
}
