"""What schemathesis cannot know of Stockbook: lines of JSON, and what a schema cannot say."""

import json
import random
from pathlib import Path
from urllib.parse import quote

import schemathesis

# Refusals that depend on the log, on the clock, or on several members together.
BEYOND_SCHEMA = {
    "idempotency_key_reused",
    "invalid_cursor",
    "invalid_position",
    "occurred_at_out_of_range",
    "quantity_overflow",
    "reason_required",
}
BEYOND_SCHEMA_FAULTS = (
    "days after from",
    "is ahead of the log's clock",
    "is beyond the stream's last version",
    "is not taken together with",
    "must be a position token",
    "must be a reservation's id",
    "must be an event's id",
    "must be a time that has passed",
    "must be a transfer's id",
    "must be an order's id",
    "must be an object of at most",
    "must be an object of text, of at most",
    "must be later than now",
    "must be after `from`",
    "is for atomic batches",
    "is for independent batches",
    "must be an RFC 3339 time",
    "must be another location than",
    "must be given with",
    "must be left out",
    "must have exactly one of",
    "must not be given with",
    "which ends at",
    "which the log does not have",
)


@schemathesis.deserializer("application/x-ndjson")
def lines(_context, response):
    return response.content.decode()


@schemathesis.hook
def filter_query(_context, query):
    """A past has one description."""
    return not {"at_position", "known_at"} <= (query or {}).keys()


PHASES = ("examples", "coverage")
chance = random.Random(1)


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Leaves conditions out of most requests, so that they meet the rules behind them. Two phases take
    no value from a dictionary, so they get theirs here."""
    if not case.meta.generation.mode.is_positive:
        return
    headers, query, path = case.headers or {}, case.query or {}, case.path_parameters or {}
    by_dictionary = case.meta.phase.name not in PHASES
    if case.method != "GET" and kept() & {path.get("id"), path.get("sku")}:
        case.query = query = {**query, "validate_only": "true"}
    if by_dictionary and chance.random() < 0.3:
        return
    for name in ("If-Match", "If-None-Match", "Idempotency-Key"):
        headers.pop(name, None)
    if "at_position" in query:
        query.pop("known_at", None)
    step = "change" if case.method.upper() == "PATCH" else case.path.rsplit("/", 1)[-1]
    states = STATES
    for kind, of_kind in (("transfers", TRANSFER_STATES), ("orders", ORDER_STATES)):
        if f"/{kind}/" in case.path:
            states = of_kind
    if step in states:
        path["sku" if "sku" in path else "id"] = known(states[step])
        # So that the next request finds the same state.
        case.query = {**query, "validate_only": "true"}
    if isinstance(case.body, dict):
        leave_conditions_out(case.body)
        if step == "rebuild":
            # Every other step changes which ones are possible.
            case.body["step"] = "compare"
        if case.path == "/v1/reversals":
            # An event can be reversed once; a day on which nothing happened, always.
            for way in WAYS:
                case.body.pop(way, None)
            case.body["window"] = {
                "by": "recorded_at",
                "from": "1970-01-01T00:00:00Z",
                "to": "1970-01-02T00:00:00Z",
            }
        if case.body.get("policy") == "wait":
            # So that nobody waits for what the next requests need.
            case.query = {**query, "validate_only": "true"}
        if "expected_quantity" in case.body:
            case.body["expected_quantity"] = None
        if step in ("return", "receive"):
            case.body["lines"] = [{"line": 1, "quantity": 1}]
        elif step in states:
            case.body.pop("lines", None)
    if by_dictionary:
        return
    if "Last-Event-ID" in headers:
        headers["Last-Event-ID"] = known("positions")
    for name in query.keys() & {"at_position", "from_position", "to_position"}:
        query[name] = known("positions")
    if "id" in path and step not in states:
        path["id"] = known(case.path.split("/")[2])
    if "stream" in path:
        path["stream"] = quote(known("streams"), safe="")


# What each step can be taken of.
STATES = {
    "confirm": "held",
    "extend": "held",
    "release": "held",
    "cancel": "confirmed",
    "fulfil": "confirmed",
    "return": "fulfilled",
    "change": "waiting",
    "retire": "empty",
    "reinstate": "empty",
}
ORDER_STATES = {"cancel": "orders", "resume": "orders"}
TRANSFER_STATES = {"receive": "in_transit", "close": "in_transit", "return": "in_transit"}


def kept():
    """What has to stay in its state until the end."""
    kinds = {*STATES.values(), *ORDER_STATES.values(), *TRANSFER_STATES.values()}
    return {known(kind) for kind in kinds}


# A reversal has exactly one of them.
WAYS = ("event", "correlation_id", "reversal", "window")


def leave_conditions_out(body):
    for name in ("occurred_at", "expected_at", "expected_version", "idempotency_key"):
        body.pop(name, None)
    if body.get("policy") == "wait":
        body.setdefault("wait_seconds", 60)
    elif "ttl_seconds" in body or "deadline_seconds" in body:
        for name in ("wait_seconds", "priority", "fill"):
            body.pop(name, None)
    for other in [way for way in WAYS if way in body][1:]:
        del body[other]
    if "from" in body and body["from"] == body.get("to"):
        body["to"] = known("locations", 1)
    for part in [*body.get("lines", []), *body.get("commands", [])]:
        leave_conditions_out(part)
    # Little enough of what there is.
    for line in body.get("lines", []):
        for name, what in (("sku", "skus"), ("location", "locations")):
            if name in line:
                line[name] = known(what)
        if "quantity" in line:
            line["quantity"] = min(line["quantity"], 2)


def known(what, index=0):
    """What the story made."""
    return json.loads(Path(f"{what}.txt").read_text(encoding="utf-8").splitlines()[index])


@schemathesis.check
def refused_for_what_a_schema_cannot_say(_context, response, case):
    if response.status_code not in (422, 503) or not case.meta.generation.mode.is_positive:
        return
    problem = response.json()
    code = problem["type"].removeprefix("/problems/")
    if response.status_code == 503:
        assert code == "not_yet_applied", f"{code}: {problem['detail']}"
        return
    messages = [fault["message"] for fault in problem.get("errors", [])] or [problem["detail"]]
    for message in messages:
        is_beyond = any(known in message for known in BEYOND_SCHEMA_FAULTS)
        assert code in BEYOND_SCHEMA or is_beyond, f"{code}: {message}"
