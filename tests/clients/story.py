"""Plays the README's story with the generated Python clients: story.py COMMAND QUERY FOLDER.

Leaves the names of what it made in FOLDER, for schemathesis to ask for.
"""

import json
import sys
import uuid
from pathlib import Path

from stockbook_command import Client as CommandClient
from stockbook_command.api.commands import (
    cancel_order,
    close_transfer,
    confirm_reservation,
    dispatch_transfer,
    fulfil_reservation,
    issue_stock,
    place_order,
    read_progress,
    receive_stock,
    receive_transfer,
    register_item,
    register_location,
    reserve_stock,
    reverse,
)
from stockbook_command.api.log import list_lane_events, read_state
from stockbook_command.models import (
    Accepted,
    Issue,
    Item,
    Location,
    MoveLine,
    OrderedLine,
    OrderRequest,
    OrderRequestPolicy,
    Part,
    PaymentDetails,
    Problem,
    Receipt,
    ReservationRequest,
    ReservationRequestPolicy,
    Reversal,
    ReversalProgress,
    StockLine,
    StreamState,
    TransferClosing,
    TransferReceipt,
    TransferRequest,
    Window,
    WindowBy,
)
from stockbook_query import Client as QueryClient
from stockbook_query.api.default import (
    ask_availability,
    explain,
    get_item_stock,
    get_order,
    get_reservation,
    get_stock_level,
    list_movements,
    list_orders,
)
from stockbook_query.models import AskedPair, Availability, Explanation, ItemStock, PageMovement
from stockbook_query.models import Order, PageOrder, Question, StockLevel
from stockbook_query.models import Reservation as KnownReservation

SKU = "85123A"
EMPTY = "85123B"
COURSE = "COURSE"


def expect(kind, response, status=200):
    assert response.status_code == status, (response.status_code, response.content)
    assert isinstance(response.parsed, kind), response.parsed
    return response.parsed


def line(quantity):
    return StockLine(sku=SKU, location="MAIN", quantity=quantity)


def hold_more(command, *steps):
    hold = ReservationRequest(owner="cart-8", lines=[line(5)], ttl_seconds=86_400)
    held = expect(Accepted, reserve_stock.sync_detailed(client=command, body=hold), 201)
    for step in steps:
        expect(Accepted, step.sync_detailed(held.reservation.id, client=command))
    return held.reservation.id


def wait(command):
    """The course has no place yet."""
    place = StockLine(sku=COURSE, location="MAIN", quantity=1)
    policy = ReservationRequestPolicy.WAIT
    request = ReservationRequest(
        owner="ann", lines=[place], ttl_seconds=86_400, policy=policy, wait_seconds=604_800
    )
    waiting = expect(Accepted, reserve_stock.sync_detailed(client=command, body=request), 201)
    assert waiting.reservation.status == "waiting", waiting
    return waiting.reservation.id


def send(command):
    lines = [MoveLine(sku=SKU, from_="MAIN", to="SHOP", quantity=5)]
    request = TransferRequest(lines=lines)
    sent = expect(Accepted, dispatch_transfer.sync_detailed(client=command, body=request), 201)
    return sent.transfer.id


def order(command, **how):
    lines = [OrderedLine(sku=SKU, location="MAIN", quantity=2)]
    payment = PaymentDetails.from_dict({"method": "m-1"})
    request = OrderRequest(
        owner="customer-1", lines=lines, payment=payment, deadline_seconds=86_400, **how
    )
    placed = expect(Accepted, place_order.sync_detailed(client=command, body=request), 202)
    assert placed.order.status == "placed", placed
    return placed


def order_and_cancel(command, query):
    # Order two. Nobody pays here, so the order is cancelled, and what it holds is released.
    placed = order(command, policy=OrderRequestPolicy.WAIT, wait_seconds=600)
    of = placed.order.id
    known = get_order.sync_detailed(of, client=query, min_position=placed.position)
    known = expect(Order, known)
    assert (known.owner, known.steps[0].name) == ("customer-1", "reserve"), known
    cancelled = expect(Accepted, cancel_order.sync_detailed(of, client=command)).order
    assert cancelled.status == "cancelled", cancelled
    listed = list_orders.sync_detailed(client=query, owner="customer-1", limit=10)
    assert of in [one.id for one in expect(PageOrder, listed).items], listed


def play(command, query):
    for code in ("MAIN", "SHOP"):
        location = register_location.sync_detailed(code, client=command, body=Location())
        assert location.status_code in (200, 201), location.content
    for sku in (SKU, EMPTY, COURSE):
        item = register_item.sync_detailed(sku, client=command, body=Item(name="T-light holder"))
        assert item.status_code in (200, 201), item.content

    # What the README's demo leaves.
    stock = Receipt(lines=[line(100)])
    expect(Accepted, receive_stock.sync_detailed(client=command, body=stock))

    # Receive ten, then sell six. Repeat the last command: one effect, the same answer.
    receipt = Receipt(lines=[line(10)])
    received = expect(Accepted, receive_stock.sync_detailed(client=command, body=receipt))
    issue = Issue(lines=[line(6)], purpose="sale")
    key = f"order-{uuid.uuid4()}"
    sell = lambda: issue_stock.sync_detailed(client=command, body=issue, idempotency_key=key)
    sold, again = sell(), sell()
    position = expect(Accepted, sold).position
    assert again.content == sold.content
    assert again.headers["Idempotency-Replayed"] == "true", again.headers

    # Read your own write, and how it came about.
    level = get_stock_level.sync_detailed(SKU, "MAIN", client=query, min_position=position)
    level = expect(StockLevel, level)
    assert level.on_hand == received.figures[0].on_hand - 6, level
    stock = expect(ItemStock, get_item_stock.sync_detailed(SKU, client=query))
    assert "MAIN" in [place.location for place in stock.locations], stock
    explained = expect(Explanation, explain.sync_detailed(SKU, "MAIN", client=query))
    assert explained.figures.on_hand == level.on_hand, explained
    movements = list_movements.sync_detailed(client=query, sku=SKU, limit=3)
    newest = expect(PageMovement, movements).items[0]
    assert (newest.type_, newest.delta.on_hand) == ("StockIssued", -6), newest
    question = Question(pairs=[AskedPair(sku=SKU, location="MAIN"), AskedPair(sku="NONE")])
    asked = expect(Availability, ask_availability.sync_detailed(client=query, body=question))
    assert asked.items[0].available == level.available, asked
    assert asked.items[1].error == "unknown_sku", asked

    # Sell more than there is: refused, with the numbers.
    issue = Issue(lines=[line(1_000_000)])
    refused = expect(Problem, issue_stock.sync_detailed(client=command, body=issue), 409)
    assert refused.type_ == "/problems/insufficient_stock", refused
    assert refused["lines"][0]["available"] == level.available, refused

    # Hold two for a cart for ten minutes, then confirm the order, without a body.
    hold = ReservationRequest(owner="cart-7", lines=[line(2)], ttl_seconds=600)
    held = expect(Accepted, reserve_stock.sync_detailed(client=command, body=hold), 201)
    reservation = held.reservation.id
    confirmed = confirm_reservation.sync_detailed(reservation, client=command)
    position = expect(Accepted, confirmed).position
    known = get_reservation.sync_detailed(reservation, client=query, min_position=position)
    assert expect(KnownReservation, known).status == "confirmed", known

    # What would undoing everything under one correlation id do?
    undo = Reversal(correlation_id=received.correlation_id, reason="booked_twice", dry_run=True)
    dry = expect(Accepted, reverse.sync_detailed(client=command, body=undo))
    assert dry.figures[0].on_hand == level.on_hand - 10, dry
    window = Window(by=WindowBy.RECORDED_AT, from_="1970-01-01T00:00:00Z", to="1970-01-02T00:00:00Z")
    job = reverse.sync_detailed(client=command, body=Reversal(window=window))
    job = expect(ReversalProgress, job, 202).reversal_id
    expect(ReversalProgress, read_progress.sync_detailed(job, client=command))

    # The events themselves.
    lane = int(received.position.split(":")[0])
    lines = list_lane_events.sync_detailed(lane, client=command, limit=10_000).parsed
    events = [json.loads(line) for line in lines.splitlines()]
    assert received.events[0].id in [event["id"] for event in events], events
    stream = f"stock/{SKU}/MAIN"
    state = expect(StreamState, read_state.sync_detailed(stream, client=command))
    assert state.state["on_hand"] == level.on_hand, state

    # Send five to another shop: four come in, the rest is lost.
    transfer = send(command)
    part = TransferReceipt(lines=[Part(line=1, quantity=4)])
    expect(Accepted, receive_transfer.sync_detailed(transfer, client=command, body=part))
    closing = TransferClosing(reason="broken")
    closed = close_transfer.sync_detailed(transfer, client=command, body=closing)
    closed = expect(Accepted, closed).transfer
    assert (closed.status, closed.lines[0].lost) == ("closed", 1), closed
    order_and_cancel(command, query)
    return {
        "skus": [SKU, SKU, EMPTY],
        "locations": ["MAIN", "SHOP"],
        "reservations": [reservation],
        "held": [hold_more(command)],
        "confirmed": [hold_more(command, confirm_reservation)],
        "fulfilled": [hold_more(command, confirm_reservation, fulfil_reservation)],
        "waiting": [wait(command)],
        "empty": [EMPTY],
        "transfers": [transfer],
        "in_transit": [send(command)],
        "orders": [order(command).order.id],
        "reversals": [job],
        "events": [received.events[0].id],
        "streams": [stream, f"item/{SKU}", f"reservation/{reservation}"],
        "positions": [received.position],
        "times": [events[-1]["recorded_at"]],
    }


def main():
    command_url, query_url, folder = sys.argv[1:]
    with CommandClient(base_url=command_url) as command, QueryClient(base_url=query_url) as query:
        made = play(command, query)
    for name, values in made.items():
        lines = [json.dumps(value) + "\n" for value in values]
        (Path(folder) / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    print("the story was played in Python")


main()
