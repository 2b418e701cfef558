//! The working set of decisions, and the fold of events into it.

use foldhash::HashMap;

use shared_events::event::{
    AllocatedStock, Event, EventsRedacted, ExpectedStock, FilledStock, HeldStock, HoldExtended,
    ItemDetails, ItemReinstated, ItemRetired, LocationDetails, ReservationStep, SentStock,
    StockAdjusted, StockIssued, StockMovedIn, StockMovedOut, StockReceived, StockReversed,
    StockSet, SubjectForgotten, UnqueuedStock, WaitChanged, WaitlistedStock,
};
use shared_events::lane::{EventId, Lane, Version};
use shared_events::order::Order;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::transfer::Transfer;
use shared_events::values::{Label, LocationCode, OrderId, ReservationId, Sku, TransferId};

use super::command::{Target, item_and_stock};
use super::queue::{Place, Waiter};
use super::state::{
    Hold, ItemState, LocationState, OrderState, RedactionState, ReservationState, StockState,
    StreamState, SubjectState, TransferState,
};

/// The working set: the states of all streams that the current decisions depend on, and the targets of
/// their reversals. A stream that is absent has no history.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    items: HashMap<Sku, ItemState>,
    locations: HashMap<LocationCode, LocationState>,
    stock: HashMap<(Sku, LocationCode), StockState>,
    reservations: HashMap<ReservationId, ReservationState>,
    transfers: HashMap<TransferId, TransferState>,
    orders: HashMap<OrderId, OrderState>,
    subjects: HashMap<Label, SubjectState>,
    redactions: HashMap<Lane, RedactionState>,
    selections: HashMap<Target, Vec<EventId>>,
    target_events: HashMap<EventId, TargetEvent>,
}

/// A recorded event that a reversal targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetEvent {
    pub event: Event,
    pub occurred_at: Timestamp,
    pub is_reversed: bool,
    /// The reversing event, once it has a position in the log.
    pub reversed_by: Option<EventId>,
    /// The first hundred later events of its stream that reduced on_hand and are not reversed; of a
    /// dispatch the later steps of its transfer.
    pub dependents: Vec<EventId>,
    /// At most a hundred events of its stream that made promises which still stand.
    pub promises: Vec<EventId>,
}

impl Inventory {
    /// Folds the next event of a stream, which happened at this moment, and returns its version.
    pub fn evolve(&mut self, event: &Event, occurred_at: Timestamp) -> Version {
        match event {
            // A retired item is described again only when it is reinstated.
            Event::ItemRegistered(details)
            | Event::ItemChanged(details)
            | Event::ItemReinstated(ItemReinstated { after: details, .. }) => {
                self.fold_item(details)
            }
            Event::ItemRetired(retired) => self.fold_retired(retired),
            Event::LocationRegistered(details) | Event::LocationChanged(details) => {
                self.fold_location(details)
            }
            Event::StockReceived(StockReceived { sku, location, after, .. })
            | Event::StockIssued(StockIssued { sku, location, after, .. })
            | Event::StockAdjusted(StockAdjusted { sku, location, after, .. })
            | Event::StockSet(StockSet { sku, location, after, .. })
            | Event::StockMovedOut(StockMovedOut { sku, location, after, .. })
            | Event::StockMovedIn(StockMovedIn { sku, location, after, .. })
            | Event::StockDeallocated(AllocatedStock { sku, location, after, .. })
            | Event::StockFulfilled(AllocatedStock { sku, location, after, .. })
            | Event::StockReturned(AllocatedStock { sku, location, after, .. })
            | Event::StockDispatched(SentStock { sku, location, after, .. })
            | Event::StockBroughtBack(SentStock { sku, location, after, .. })
            | Event::StockExpected(ExpectedStock { sku, location, after, .. })
            | Event::StockArrived(ExpectedStock { sku, location, after, .. })
            | Event::StockLost(ExpectedStock { sku, location, after, .. })
            | Event::StockRecalled(ExpectedStock { sku, location, after, .. }) => {
                let stock = self.next_stock(sku, location, occurred_at);
                stock.figures = *after;
                stock.version
            }
            Event::StockReversed(StockReversed { sku, location, after, reverses, .. }) => {
                if let Some(target) = self.target_events.get_mut(reverses) {
                    target.is_reversed = true;
                }
                let stock = self.next_stock(sku, location, occurred_at);
                stock.figures = *after;
                stock.version
            }
            Event::StockReserved(held) => self.fold_hold(held, held.quantity, occurred_at),
            Event::StockReleased(held)
            | Event::StockHoldExpired(held)
            | Event::StockAllocated(held) => self.fold_hold(held, -held.quantity, occurred_at),
            Event::StockHoldExtended(extended) => self.fold_extension(extended, occurred_at),
            Event::ReservationHeld(step)
            | Event::ReservationExtended(step)
            | Event::ReservationConfirmed(step)
            | Event::ReservationReleased(step)
            | Event::ReservationExpired(step)
            | Event::ReservationFulfilled(step)
            | Event::ReservationCancelled(step)
            | Event::ReservationReturned(step)
            | Event::ReservationWaitlisted(step)
            | Event::ReservationFilled(step)
            | Event::ReservationWaitlistChanged(step) => {
                self.fold_reservation(event, step, occurred_at)
            }
            Event::ReservationStepRefused(refused) => {
                self.fold_reservation(event, &refused.of, occurred_at)
            }
            shared_events::transfer_events!(step) => self.fold_transfer(&step.after, occurred_at),
            shared_events::order_events!(step) => self.fold_order(&step.after),
            Event::StockWaitlisted(waitlisted) => self.fold_waitlisted(waitlisted, occurred_at),
            Event::StockWaitlistFilled(filled) => self.fold_filled(filled, occurred_at),
            Event::StockWaitlistLeft(left) => self.fold_left(left, occurred_at),
            Event::StockWaitlistChanged(changed) => self.fold_wait(changed, occurred_at),
            Event::SubjectForgotten(forgotten) => self.fold_forgotten(forgotten),
            Event::EventsRedacted(redacted) => self.fold_redacted(redacted),
        }
    }

    fn fold_item(&mut self, details: &ItemDetails) -> Version {
        let item = self.items.entry(details.sku.clone()).or_default();
        item.version = item.version.next();
        item.details = Some(details.clone());
        item.retired = false;
        item.version
    }

    fn fold_retired(&mut self, ItemRetired { sku, .. }: &ItemRetired) -> Version {
        let item = self.items.entry(sku.clone()).or_default();
        item.version = item.version.next();
        item.retired = true;
        item.version
    }

    fn fold_location(&mut self, details: &LocationDetails) -> Version {
        let location = self.locations.entry(details.code.clone()).or_default();
        location.version = location.version.next();
        location.details = Some(details.clone());
        location.version
    }

    fn next_stock(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        occurred_at: Timestamp,
    ) -> &mut StockState {
        self.mark_stocked(sku);
        let stock = self.stock.entry((sku.clone(), location.clone())).or_default();
        stock.version = stock.version.next();
        // None is earlier than any moment.
        stock.newest_at = stock.newest_at.max(Some(occurred_at));
        stock
    }

    fn fold_hold(&mut self, held: &HeldStock, difference: i64, occurred_at: Timestamp) -> Version {
        let hold = Hold::new(held.expires_at, &held.reservation, held.line);
        let stock = self.next_stock(&held.sku, &held.location, occurred_at);
        stock.holds.change(hold, difference);
        stock.queue.follow(&held.reservation, held.line);
        stock.figures = held.after;
        stock.version
    }

    fn fold_extension(&mut self, extended: &HoldExtended, occurred_at: Timestamp) -> Version {
        let hold = |expires_at| Hold::new(expires_at, &extended.reservation, extended.line);
        let stock = self.next_stock(&extended.sku, &extended.location, occurred_at);
        stock.holds.change(hold(extended.expired_at), -extended.quantity);
        stock.holds.change(hold(extended.expires_at), extended.quantity);
        stock.queue.follow(&extended.reservation, extended.line);
        stock.figures = extended.after;
        stock.version
    }

    fn fold_waitlisted(&mut self, event: &WaitlistedStock, occurred_at: Timestamp) -> Version {
        let stock = self.next_stock(&event.sku, &event.location, occurred_at);
        let waiter = Waiter {
            reservation: event.reservation.clone(),
            line: event.line,
            quantity: event.quantity,
            fill: event.fill,
            wait_until: event.wait_until,
            expires_at: event.expires_at,
        };
        stock.queue.join(Place::new(event.priority, stock.version), waiter);
        stock.figures = event.after;
        stock.version
    }

    fn fold_filled(&mut self, filled: &FilledStock, occurred_at: Timestamp) -> Version {
        let hold = Hold::new(filled.expires_at, &filled.reservation, filled.line);
        let end = (filled.wait_until, filled.reservation.clone(), filled.line);
        let stock = self.next_stock(&filled.sku, &filled.location, occurred_at);
        stock.holds.change(hold, filled.quantity);
        stock.queue.fill(&end, filled.waiting, filled.filled_at);
        stock.figures = filled.after;
        stock.version
    }

    fn fold_left(&mut self, left: &UnqueuedStock, occurred_at: Timestamp) -> Version {
        let end = (left.wait_until, left.reservation.clone(), left.line);
        let stock = self.next_stock(&left.sku, &left.location, occurred_at);
        stock.queue.leave(&end, left.waiting);
        stock.figures = left.after;
        stock.version
    }

    fn fold_wait(&mut self, changed: &WaitChanged, occurred_at: Timestamp) -> Version {
        let end = (changed.waited_until, changed.reservation.clone(), changed.line);
        let stock = self.next_stock(&changed.sku, &changed.location, occurred_at);
        stock.queue.change(&end, changed.priority, changed.wait_until, changed.expires_at);
        stock.figures = changed.after;
        stock.version
    }

    fn fold_reservation(
        &mut self,
        event: &Event,
        step: &ReservationStep,
        occurred_at: Timestamp,
    ) -> Version {
        let reservation = self.reservations.entry(step.after.id.clone()).or_default();
        reservation.version = reservation.version.next();
        reservation.newest_at = reservation.newest_at.max(Some(occurred_at));
        reservation.details = Some(step.after.clone());
        if let Some(order) = &step.order {
            reservation.order = Some(Box::new(order.clone()));
        }
        let is_cancelled = matches!(event, Event::ReservationCancelled(_));
        reservation.cancelled |= is_cancelled;
        if is_cancelled || matches!(event, Event::ReservationReleased(_)) {
            reservation.ended_for = step.cause.reference.clone().map(Box::new);
        }
        reservation.version
    }

    fn fold_transfer(&mut self, after: &Transfer, occurred_at: Timestamp) -> Version {
        let transfer = self.transfers.entry(after.id.clone()).or_default();
        transfer.version = transfer.version.next();
        transfer.newest_at = transfer.newest_at.max(Some(occurred_at));
        transfer.details = Some(after.clone());
        transfer.version
    }

    fn fold_order(&mut self, after: &Order) -> Version {
        let order = self.orders.entry(after.id.clone()).or_default();
        order.version = order.version.next();
        order.details = Some(Box::new(after.clone()));
        order.version
    }

    fn fold_forgotten(&mut self, SubjectForgotten { subject, key }: &SubjectForgotten) -> Version {
        let state = self.subjects.entry(subject.clone()).or_default();
        state.version = state.version.next();
        state.forgotten.insert(key.clone());
        state.version
    }

    fn fold_redacted(&mut self, redacted: &EventsRedacted) -> Version {
        let state = self.redactions.entry(redacted.lane).or_default();
        state.version = state.version.next();
        state.events += redacted.events.len() as u64;
        state.version
    }

    pub fn item(&self, sku: &Sku) -> Option<&ItemState> {
        self.items.get(sku)
    }

    pub fn location(&self, code: &LocationCode) -> Option<&LocationState> {
        self.locations.get(code)
    }

    pub fn reservation(&self, id: &ReservationId) -> Option<&ReservationState> {
        self.reservations.get(id)
    }

    pub fn transfer(&self, id: &TransferId) -> Option<&TransferState> {
        self.transfers.get(id)
    }

    pub fn order(&self, id: &OrderId) -> Option<&OrderState> {
        self.orders.get(id)
    }

    pub fn subject(&self, subject: &Label) -> Option<&SubjectState> {
        self.subjects.get(subject)
    }

    /// The streams that the lines of a reservation, a transfer or an order name, if it is known; of an order
    /// also its reservation.
    pub fn streams_of_lines(&self, of: &Stream) -> Vec<Stream> {
        match of {
            Stream::Reservation(id) => {
                let known = self.reservation(id).and_then(|state| state.details.as_ref());
                let lines = known.into_iter().flat_map(|details| &details.lines);
                lines.flat_map(|line| item_and_stock(&line.sku, &line.location)).collect()
            }
            Stream::Transfer(id) => {
                let known = self.transfer(id).and_then(|state| state.details.as_ref());
                let lines = known.into_iter().flat_map(|details| &details.lines);
                let places =
                    lines.flat_map(|line| [(&line.sku, &line.from), (&line.sku, &line.to)]);
                places.flat_map(|(sku, location)| item_and_stock(sku, location)).collect()
            }
            Stream::Order(id) => {
                let known = self.order(id).and_then(|state| state.details.as_ref());
                let lines = known.into_iter().flat_map(|details| &details.lines);
                let reservation = known.map(|order| Stream::Reservation(order.id.reservation()));
                let stock = lines.flat_map(|line| item_and_stock(&line.sku, &line.location));
                reservation.into_iter().chain(stock).collect()
            }
            Stream::Item(_)
            | Stream::Location(_)
            | Stream::Stock(..)
            | Stream::Subject(_)
            | Stream::Redaction(_) => Vec::new(),
        }
    }

    /// The stock of an item at a location; all zeros without history.
    pub fn stock(&self, sku: &Sku, location: &LocationCode) -> StockState {
        self.stock.get(&(sku.clone(), location.clone())).cloned().unwrap_or_default()
    }

    /// The stock of an item at every location that is in the working set.
    pub fn stock_everywhere(
        &self,
        sku: &Sku,
    ) -> impl Iterator<Item = (&LocationCode, &StockState)> + '_ {
        let sku = sku.clone();
        let of_item = self.stock.iter().filter(move |((one, _), _)| *one == sku);
        of_item.map(|((_, location), stock)| (location, stock))
    }

    /// The events that a reversal targets, in no order; empty if nothing is recorded under the target.
    pub fn selection(&self, target: &Target) -> &[EventId] {
        self.selections.get(target).map_or(&[], Vec::as_slice)
    }

    pub fn target_event(&self, id: EventId) -> Option<&TargetEvent> {
        self.target_events.get(&id)
    }

    pub fn insert(&mut self, state: StreamState) {
        match state {
            StreamState::Item(sku, item) => drop(self.items.insert(sku, item)),
            StreamState::Location(code, location) => drop(self.locations.insert(code, location)),
            StreamState::Stock(key, stock) => drop(self.stock.insert(key, stock)),
            StreamState::Reservation(id, state) => drop(self.reservations.insert(id, state)),
            StreamState::Transfer(id, state) => drop(self.transfers.insert(id, state)),
            StreamState::Order(id, state) => drop(self.orders.insert(id, state)),
            StreamState::Subject(subject, state) => drop(self.subjects.insert(subject, state)),
            StreamState::Redaction(lane, state) => drop(self.redactions.insert(lane, state)),
        }
    }

    /// Inserts the events that a reversal targets.
    pub fn insert_selection(
        &mut self,
        target: Target,
        events: impl IntoIterator<Item = (EventId, TargetEvent)>,
    ) {
        let mut ids = Vec::new();
        for (id, event) in events {
            ids.push(id);
            self.target_events.entry(id).or_insert(event);
        }
        self.selections.insert(target, ids);
    }

    /// Copies the stock of an item at every location from another working set.
    pub fn copy_stock_everywhere(&mut self, from: &Self, sku: &Sku) {
        let of_item = from.stock.iter().filter(|((one, _), _)| one == sku);
        self.stock.extend(of_item.map(|(key, stock)| (key.clone(), stock.clone())));
    }

    /// Copies the events that a reversal targets from another working set.
    pub fn copy_selection(&mut self, from: &Self, target: &Target) {
        let ids = from.selection(target).to_vec();
        let events = ids.iter().filter_map(|id| Some((*id, from.target_event(*id)?.clone())));
        self.target_events.extend(events);
        self.selections.insert(target.clone(), ids);
    }

    /// Notes the id of the event that reversed another.
    pub fn mark_reversed(&mut self, event: EventId, by: EventId) {
        if let Some(target) = self.target_events.get_mut(&event) {
            target.is_reversed = true;
            target.reversed_by = Some(by);
        }
    }

    /// Notes that the item has stock events, if the item is in the working set.
    pub fn mark_stocked(&mut self, sku: &Sku) {
        if let Some(item) = self.items.get_mut(sku) {
            item.stocked = true;
        }
    }

    /// The version of a stream; 0 without history.
    pub fn version(&self, stream: &Stream) -> Version {
        self.state(stream).map(|state| state.version()).unwrap_or_default()
    }

    pub fn contains(&self, stream: &Stream) -> bool {
        match stream {
            Stream::Item(sku) => self.items.contains_key(sku),
            Stream::Location(code) => self.locations.contains_key(code),
            Stream::Stock(sku, location) => {
                self.stock.contains_key(&(sku.clone(), location.clone()))
            }
            Stream::Reservation(id) => self.reservations.contains_key(id),
            Stream::Transfer(id) => self.transfers.contains_key(id),
            Stream::Order(id) => self.orders.contains_key(id),
            Stream::Subject(subject) => self.subjects.contains_key(subject),
            Stream::Redaction(lane) => self.redactions.contains_key(&Lane(*lane)),
        }
    }

    pub fn state(&self, stream: &Stream) -> Option<StreamState> {
        match stream {
            Stream::Item(sku) => {
                self.items.get(sku).map(|item| StreamState::Item(sku.clone(), item.clone()))
            }
            Stream::Location(code) => self
                .locations
                .get(code)
                .map(|location| StreamState::Location(code.clone(), location.clone())),
            Stream::Stock(sku, location) => {
                let key = (sku.clone(), location.clone());
                self.stock.get(&key).map(|stock| StreamState::Stock(key.clone(), stock.clone()))
            }
            Stream::Reservation(id) => self
                .reservations
                .get(id)
                .map(|state| StreamState::Reservation(id.clone(), state.clone())),
            Stream::Transfer(id) => {
                self.transfers.get(id).map(|state| StreamState::Transfer(id.clone(), state.clone()))
            }
            Stream::Order(id) => {
                self.orders.get(id).map(|state| StreamState::Order(id.clone(), state.clone()))
            }
            Stream::Subject(subject) => self
                .subjects
                .get(subject)
                .map(|state| StreamState::Subject(subject.clone(), state.clone())),
            Stream::Redaction(lane) => {
                let lane = Lane(*lane);
                self.redactions.get(&lane).map(|state| StreamState::Redaction(lane, state.clone()))
            }
        }
    }

    /// The states of all streams, in no order.
    pub fn into_states(self) -> impl Iterator<Item = StreamState> {
        let items = self.items.into_iter().map(|(sku, item)| StreamState::Item(sku, item));
        let locations =
            self.locations.into_iter().map(|(code, state)| StreamState::Location(code, state));
        let stock = self.stock.into_iter().map(|(key, stock)| StreamState::Stock(key, stock));
        let reservations = self.reservations.into_iter();
        let reservations = reservations.map(|(id, state)| StreamState::Reservation(id, state));
        let transfers = self.transfers.into_iter();
        let transfers = transfers.map(|(id, state)| StreamState::Transfer(id, state));
        let orders = self.orders.into_iter().map(|(id, state)| StreamState::Order(id, state));
        let subjects = self.subjects.into_iter();
        let subjects = subjects.map(|(subject, state)| StreamState::Subject(subject, state));
        let redactions = self.redactions.into_iter();
        let redactions = redactions.map(|(lane, state)| StreamState::Redaction(lane, state));
        let named = items.chain(locations).chain(stock).chain(subjects).chain(redactions);
        named.chain(reservations).chain(transfers).chain(orders)
    }
}
