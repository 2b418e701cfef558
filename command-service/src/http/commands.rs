//! Commands over HTTP: read, hand over to the writer, answer.
//!
//! A command is described once, by the struct of its body: parser, OpenAPI schema and
//! documentation. [`Command`] adds how it becomes a command of the inventory, and the table here
//! its route and its names in a batch.

pub(crate) mod batch;
pub(crate) mod catalogue;
pub(crate) mod order;
pub(crate) mod reservation;
pub(crate) mod reversal;
pub(crate) mod stock;
pub(crate) mod transfer;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::{Scope, WRITING};
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa_axum::routes;

use self::batch::BatchType;
use super::answer::{Placed, Recorded, Registered};
use super::json::personal::TakesPersonal;
use super::json::{Fault, Faults, InQuery, Object, parameters};
use super::openapi::CommandProblems;
use super::problem::{Code, Problem};
use super::request::{
    CommandHeaders, CommandPath, CommandQuery, IncomingRequest, NoPath, PreconditionHeaders,
};
use super::{AppState, WriterState, answer};
use crate::inventory::{self, Precondition};
use crate::log::submission::{Outcome, Payload, Submission};
use crate::log::writer::Writer;
use crate::personal::PersonalData;

/// Declares the routes of commands, each with the scope that it needs. In a batch a command is called like
/// its handler, or `also` by another name.
macro_rules! commands {
    ($(
        $(#[doc = $about:literal])*
        $method:ident $route:literal $scope:ident $handler:ident($body:ty) -> $answers:ident
        $(also $name:literal)?;
    )+) => {
        $(
            $(#[doc = $about])*
            #[utoipa::path(
                $method, path = $route, tag = "commands",
                params(CommandParameters::<$body>),
                request_body = $body,
                responses($answers, CommandProblems),
            )]
            async fn $handler(State(app): State<Arc<AppState>>, request: Request) -> Response {
                app.execute::<$body>(request).await
            }
        )+

        pub(crate) fn routes() -> Routes<Arc<AppState>> {
            const REVERSALS: Scope = Scope::ReversalsWrite;
            Routes::default()
                $(.routes(Access::by_location(Scope::$scope), routes!($handler)))+
                .routes(Access::by_location(REVERSALS), routes!(reversal::reverse))
                .routes(Access::everywhere(REVERSALS), routes!(reversal::read_progress))
                .routes(Access::any_of(WRITING), routes!(batch::execute_batch))
        }

        /// Every command of a batch by its `type`.
        const BATCH_TYPES: &[(&str, BatchType)] = &[
            $(
                (
                    stringify!($handler),
                    BatchType::of::<<$body as RequestBody>::Command>(Scope::$scope),
                ),
                $((
                    $name,
                    BatchType::of::<<$body as RequestBody>::Command>(Scope::$scope),
                ),)?
            )+
            ("reverse", BatchType::of::<reversal::Reverse>(Scope::ReversalsWrite)),
        ];
    };
}

commands! {
    /// RegisterItem, ChangeItem: registers an item, or changes the details of a registered one.
    put "/v1/items/{sku}" CatalogueWrite
        register_item(catalogue::RegisterItem) -> Registered also "change_item";
    /// RetireItem: the item is no longer traded. Possible only when nothing of it is left anywhere.
    post "/v1/items/{sku}/retire" CatalogueWrite
        retire_item(Option<catalogue::RetireItem>) -> Recorded;
    /// ReinstateItem: a retired item is traded again, as it was.
    post "/v1/items/{sku}/reinstate" CatalogueWrite
        reinstate_item(Option<catalogue::ReinstateItem>) -> Recorded;
    /// RegisterLocation, ChangeLocation: registers a location, or changes the details of a
    /// registered one.
    put "/v1/locations/{code}" CatalogueWrite
        register_location(catalogue::RegisterLocation) -> Registered
        also "change_location";
    /// ReceiveStock: goods come in; all lines or none.
    post "/v1/receipts" StockWrite receive_stock(stock::ReceiveStock) -> Recorded;
    /// IssueStock: goods go out, only from what is available; all lines or none.
    post "/v1/issues" StockWrite issue_stock(stock::IssueStock) -> Recorded;
    /// MoveStock: goods go from one location to another at once, only from available; all lines or
    /// none.
    post "/v1/moves" StockWrite move_stock(stock::MoveStock) -> Recorded;
    /// AdjustStock: corrects the recorded quantities by differences; all lines or none.
    post "/v1/adjustments" StockWrite adjust_stock(stock::AdjustStock) -> Recorded;
    /// SetStock: sets on_hand to the quantity that was found. The caller says what it expects to be
    /// there, or that it expects nothing in particular.
    put "/v1/stock/{sku}/{location}" StockWrite set_stock(stock::SetStock) -> Recorded;
    /// ReserveStock: holds available stock for an owner until it expires, and waits for the rest if asked.
    post "/v1/reservations" ReservationsWrite
        reserve_stock(reservation::ReserveStock) -> Registered;
    /// ChangeReservation: a reservation that waits gets another priority, or waits for another time.
    patch "/v1/reservations/{id}" ReservationsWrite
        change_reservation(reservation::ChangeWaiting) -> Recorded;
    /// ExtendReservation: a held reservation ends at another moment, counted from now.
    post "/v1/reservations/{id}/extend" ReservationsWrite
        extend_reservation(reservation::ExtendReservation)
        -> Recorded;
    /// ConfirmReservation: a held reservation becomes a firm promise, whole.
    post "/v1/reservations/{id}/confirm" ReservationsWrite
        confirm_reservation(Option<reservation::ConfirmReservation>) -> Recorded;
    /// ReleaseReservation: a held or waiting reservation, or parts of it, is given up.
    post "/v1/reservations/{id}/release" ReservationsWrite
        release_reservation(Option<reservation::ReleaseReservation>) -> Recorded;
    /// CancelReservation: a confirmed reservation, or parts of it, is cancelled where it is not
    /// fulfilled.
    post "/v1/reservations/{id}/cancel" ReservationsWrite
        cancel_reservation(Option<reservation::CancelReservation>) -> Recorded;
    /// FulfilReservation: promised stock, or parts of it, goes out.
    post "/v1/reservations/{id}/fulfil" ReservationsWrite
        fulfil_reservation(Option<reservation::FulfilReservation>) -> Recorded;
    /// ReturnReservation: fulfilled stock, or parts of it, comes back.
    post "/v1/reservations/{id}/return" ReservationsWrite
        return_reservation(reservation::ReturnReservation)
        -> Recorded;
    /// DispatchTransfer: goods leave for other locations, only from available; all lines or none.
    post "/v1/transfers" TransfersWrite dispatch_transfer(transfer::DispatchTransfer) -> Registered;
    /// ReceiveTransfer: goods that were on their way, or parts of them, come in.
    post "/v1/transfers/{id}/receive" TransfersWrite
        receive_transfer(transfer::ReceiveTransfer) -> Recorded;
    /// CloseTransfer: what is still on its way is lost.
    post "/v1/transfers/{id}/close" TransfersWrite
        close_transfer(transfer::CloseTransfer) -> Recorded;
    /// ReturnTransfer: what is still on its way, or parts of it, goes back to where it left.
    post "/v1/transfers/{id}/return" TransfersWrite
        return_transfer(Option<transfer::ReturnTransfer>) -> Recorded;
    /// PlaceOrder: begins a process that holds stock, has it paid and promises it firmly, or undoes all of it.
    /// It goes on by itself after the answer.
    post "/v1/orders" OrdersWrite place_order(order::PlaceOrder) -> Placed;
    /// CancelOrder: an order that is not confirmed ends, and what it did is undone.
    post "/v1/orders/{id}/cancel" OrdersWrite cancel_order(Option<order::CancelOrder>) -> Recorded;
    /// ResumeOrder: an order that waits for an operator goes on.
    post "/v1/orders/{id}/resume" OrdersWrite resume_order(Option<order::ResumeOrder>) -> Recorded;
}

/// The body of a command.
pub(crate) trait Command: Object + TakesPersonal {
    type Path: CommandPath;

    fn into_request(
        self,
        path: Self::Path,
        precondition: Option<Precondition>,
    ) -> inventory::Request;
}

/// The body of a request: of a command, or an optional one.
pub(crate) trait RequestBody {
    type Command: Command;
    const IS_OPTIONAL: bool;
}

impl<C: Command> RequestBody for C {
    type Command = C;
    const IS_OPTIONAL: bool = false;
}

impl<C: Command> RequestBody for Option<C> {
    type Command = C;
    const IS_OPTIONAL: bool = true;
}

/// Describes what a command takes besides its body.
#[derive(Debug)]
pub(crate) struct CommandParameters<B>(PhantomData<B>);

impl<B: RequestBody> IntoParams for CommandParameters<B> {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        type Path<B> = <<B as RequestBody>::Command as Command>::Path;
        let mut all = parameters::<Path<B>>(&ParameterIn::Path);
        all.extend(InQuery::<CommandQuery>::into_params(&place));
        all.extend(CommandHeaders::into_params(&place));
        if Path::<B>::NAMES_A_STREAM {
            all.extend(PreconditionHeaders::into_params(&place));
        }
        all
    }
}

impl AppState {
    /// Executes one command.
    async fn execute<B: RequestBody>(&self, request: Request) -> Response {
        // 1. Refuse it if too many wait, before it costs anything.
        if let Some(problem) = self.overload() {
            return problem.into_response();
        }
        // 2. Read it. Faults are reported before anything else.
        match self.read::<B>(request).await {
            Ok(submission) => self.submit(submission).await,
            Err(problem) => problem.into_response(),
        }
    }

    async fn read<B: RequestBody>(&self, request: Request) -> Result<Submission, Problem> {
        let incoming = IncomingRequest::with_own_key(request, B::IS_OPTIONAL, &self.config).await?;
        let submission = parse::<B::Command>(&incoming)?;
        self.permit(incoming.signed_in(), submission.payload.requests()).await?;
        Ok(submission)
    }

    /// Executes one command that was read.
    async fn submit(&self, submission: Submission) -> Response {
        // 3. Hand it over to the writer, if there is one.
        let writer = match self.writer() {
            Ok(writer) => writer,
            Err(problem) => return problem.into_response(),
        };
        let correlation_id = submission.origin.correlation_id.clone();
        let outcome = submit(&writer, submission, self.answer_by()).await;
        // 4. Answer.
        answer::render(outcome, &correlation_id)
    }

    /// The problem to answer with while too many commands wait. Asked before anything is read: a
    /// refusal takes its cost from the commands that are executed.
    fn overload(&self) -> Option<Problem> {
        match &*self.writer.borrow() {
            WriterState::Running(writer) => writer.overload().map(Problem::from),
            WriterState::Starting | WriterState::Stopped => None,
        }
    }

    pub(super) fn writer(&self) -> Result<Writer, Problem> {
        match &*self.writer.borrow() {
            WriterState::Running(writer) => Ok(writer.clone()),
            WriterState::Starting | WriterState::Stopped => Err(Problem::nothing_recorded()),
        }
    }

    /// When an answer that begins now must be there.
    pub(super) fn answer_by(&self) -> Instant {
        Instant::now() + self.config.answer_timeout
    }
}

/// Waits for the outcome. Giving up, as when the client hangs up, cancels nothing.
pub(super) async fn submit(writer: &Writer, submission: Submission, until: Instant) -> Outcome {
    let outcome = timeout_at(until, writer.submit(submission)).await;
    outcome.unwrap_or(Outcome::Unknown)
}

pub(super) fn parse<C: Command>(incoming: &IncomingRequest) -> Result<Submission, Problem> {
    let mut faults = Faults::default();
    let metadata = incoming.metadata(C::Path::NAMES_A_STREAM, &mut faults);
    let path = incoming.path::<C::Path>(&mut faults);
    let body = incoming.body::<C>(&mut faults)?;
    match (path, body) {
        (Ok(Some(path)), Ok(mut body)) if faults.is_empty() => {
            let personal = body.take_personal().map(PersonalData::new);
            let request = body.into_request(path, metadata.precondition);
            let payload = Payload::One(request);
            Ok(incoming.submission(payload, personal.map(Some).into_iter().collect(), metadata))
        }
        (Err(unknown), Ok(_)) if faults.is_empty() => Err(unknown),
        _ => Err(refused(faults.into_vec())),
    }
}

pub(super) fn refused(faults: Vec<Fault>) -> Problem {
    if faults == [Fault::new("/reason", Fault::MISSING)] {
        return Problem::new(Code::ReasonRequired, "this command says why: `reason` is missing");
    }
    Problem::validation_failed(faults)
}
