//! Several commands in one request.

use super::*;
use crate::http::commands::batch::{BatchSubmission, parse};

fn plain(body: &Value) -> IncomingRequest {
    incoming::<Reverse>("/", &[], &body.to_string())
}

fn refused(incoming: &IncomingRequest, require_key: bool) -> Value {
    document(parse(incoming, require_key).expect_err("a refused batch"))
}

fn receipt() -> Value {
    json!({
        "type": "receive_stock", "lines": [{"sku": "A", "location": "B", "quantity": 1}],
    })
}

fn independent(commands: &[Value]) -> Vec<Submission> {
    match parse(&plain(&json!({"mode": "independent", "commands": commands})), false) {
        Ok(BatchSubmission::Independent { submissions, .. }) => {
            submissions.into_iter().map(|one| one.expect("a valid command")).collect()
        }
        other => panic!("not independent: {other:?}"),
    }
}

#[test]
fn an_atomic_batch_is_one_submission_with_the_headers_key() {
    let body = json!({"mode": "atomic", "commands": [receipt(), receipt()]});
    let keyed = incoming::<Reverse>("/", &[("Idempotency-Key", "k1")], &body.to_string());
    let Ok(BatchSubmission::Atomic(submission)) = parse(&keyed, false) else {
        panic!("not atomic")
    };
    assert_eq!(submission.payload.requests().len(), 2);
    assert!(submission.key.is_some());
}

#[test]
fn commands_of_an_independent_batch_have_their_own_keys_and_one_correlation() {
    let mut keyed = receipt();
    keyed["idempotency_key"] = json!("k1");
    let submissions = independent(&[keyed, receipt()]);
    let keys: Vec<bool> = submissions.iter().map(|one| one.key.is_some()).collect();
    assert_eq!(keys, [true, false]);
    let [first, second] = submissions.as_slice() else { panic!("not two") };
    assert_eq!(first.origin.correlation_id, second.origin.correlation_id);
}

#[test]
fn the_fingerprint_of_a_command_in_a_batch_is_its_members_but_the_key() {
    let hash = |key: &str, name: &str, quantity: i64| {
        let mut command = receipt();
        command["idempotency_key"] = json!(key);
        command["type"] = json!(name);
        command["lines"][0]["quantity"] = json!(quantity);
        independent(&[command])[0].key.as_ref().expect("a key").request_hash
    };
    let first = hash("k1", "receive_stock", 1);
    assert_eq!(first, hash("k2", "receive_stock", 1));
    assert_ne!(first, hash("k1", "issue_stock", 1));
    assert_ne!(first, hash("k1", "receive_stock", 2));
}

#[test]
fn all_faults_of_all_commands_are_reported_at_once() {
    let mut bad = receipt();
    bad["lines"][0]["quantity"] = json!(0);
    let commands = json!([
        receipt(), bad, {"type": "teleport_stock", "lines": 7}, 7,
        {"type": "confirm_reservation", "id": "17"}, {"type": "retire_item", "expected_version": -1},
        {"type": "reverse", "window": {}},
        {"type": "receive_stock", "lines": [], "expected_version": 1},
    ]);
    let body = json!({"mode": "some", "commands": commands, "x": 1});
    let problem = refused(&plain(&body), false);
    assert_eq!(
        faults_of(&problem),
        [
            "/mode",
            "/commands/1/lines/0/quantity",
            "/commands/2/type",
            "/commands/3",
            "/commands/4/id",
            "/commands/5/sku",
            "/commands/5/expected_version",
            "/commands/6",
            "/commands/6/window",
            "/commands/7/lines",
            "/commands/7/expected_version",
            "/x",
        ]
    );
}

#[test]
fn a_key_belongs_to_the_header_or_to_each_command_depending_on_the_mode() {
    let mut keyed = receipt();
    keyed["idempotency_key"] = json!("k1");
    let atomic = json!({"mode": "atomic", "commands": [keyed]});
    let problem = refused(&plain(&atomic), false);
    assert_eq!(faults_of(&problem), ["/commands/0/idempotency_key"]);
    let independent = json!({"mode": "independent", "commands": [receipt(), 7]});
    let header = incoming::<Reverse>("/", &[("Idempotency-Key", "k1")], &independent.to_string());
    assert_eq!(faults_of(&refused(&header, false)), ["/Idempotency-Key"]);
}

#[test]
fn in_an_independent_batch_a_command_with_faults_is_refused_alone() {
    let mut bad = receipt();
    bad["lines"][0]["quantity"] = json!(0);
    let mut keyed = bad.clone();
    keyed["idempotency_key"] = json!("");
    let mut unreasonable = json!({"type": "adjust_stock", "lines": []});
    unreasonable["lines"] = json!([{"sku": "A", "location": "B", "delta": 1}]);
    let commands = [
        bad,
        receipt(),
        json!(7),
        json!({"type": "teleport_stock"}),
        keyed,
        unreasonable,
        json!({"lines": []}),
    ];
    let body = json!({"mode": "independent", "commands": commands});
    let Ok(BatchSubmission::Independent { submissions, .. }) = parse(&plain(&body), false) else {
        panic!("not independent")
    };
    let problems: Vec<_> = submissions.into_iter().map(|one| one.err().map(document)).collect();
    let pointers = |index: usize| problems[index].as_ref().map(faults_of).unwrap_or_default();
    assert_eq!(pointers(0), ["/lines/0/quantity"]);
    assert!(problems[1].is_none());
    assert_eq!(pointers(2), [""]);
    assert_eq!(pointers(3), ["/type"]);
    assert_eq!(pointers(4), ["/idempotency_key", "/lines/0/quantity"]);
    let code = |index: usize| problems[index].as_ref().map(|problem| problem["type"].clone());
    assert_eq!(code(5), Some(json!("/problems/reason_required")));
    assert_eq!(pointers(6), ["/type"]);
    // Together they stand or fall, so every fault has its place in the body.
    let body = json!({"mode": "atomic", "commands": commands});
    let problem = refused(&plain(&body), false);
    assert_eq!(faults_of(&problem)[..2], ["/commands/0/lines/0/quantity", "/commands/2"]);
}

#[test]
fn where_keys_are_required_every_execution_has_one() {
    let mut keyed = receipt();
    keyed["idempotency_key"] = json!("k1");
    let body = |mode: &str, commands: &[&Value]| json!({"mode": mode, "commands": commands});
    for missing in [body("atomic", &[&receipt()]), body("independent", &[&keyed, &receipt()])] {
        let problem = refused(&plain(&missing), true);
        assert_eq!(problem["type"], "/problems/idempotency_key_missing", "{missing}");
    }
    assert!(parse(&plain(&body("independent", &[&keyed])), true).is_ok());
}

#[test]
fn a_batch_has_a_thousand_commands_at_most() {
    let body = |len: usize| json!({"mode": "independent", "commands": vec![receipt(); len]});
    let problem = refused(&plain(&body(1_001)), false);
    assert_eq!(problem["type"], "/problems/batch_too_large");
    assert_eq!(problem["limit"], 1_000);
    assert!(parse(&plain(&body(1_000)), false).is_ok());
    assert_eq!(faults_of(&refused(&plain(&body(0)), false)), ["/commands"]);
}

/// A command has the same members in a batch, next to those that its path names.
fn reads_the_same<C: Command>(names: &[&str], body: Value) {
    let alone = accepted::<C>(&body);
    for name in names {
        let mut command = body.clone();
        let members = command.as_object_mut().expect("an object");
        members.insert("type".to_owned(), json!(name));
        members.insert("idempotency_key".to_owned(), json!("k1"));
        for member in C::Path::MEMBERS {
            let (_, value) =
                PATH.iter().find(|(known, _)| *known == member.name()).expect("a name in a path");
            members.insert(member.name().to_owned(), json!(value));
        }
        let in_batch = only(independent(&[command]).remove(0));
        assert_eq!(in_batch.occurred_at, alone.occurred_at, "{name}");
        // The ids of reservations, transfers, orders and reversals are made for each.
        if !matches!(*name, "reserve_stock" | "dispatch_transfer" | "place_order" | "reverse") {
            assert_eq!(in_batch, alone, "{name}");
        }
    }
}

#[test]
fn every_type_of_command_is_read_as_its_own_request_would_be() {
    let line = json!({"sku": "85123A", "location": "MAIN", "quantity": 6, "expected_version": 0});
    let item = json!({
        "name": "T-LIGHT HOLDER", "scale": 3, "unit": "kg", "reorder_point": 12,
        "metadata": {"supplier": "s-17"}, "occurred_at": "2010-12-01T08:26:00Z",
    });
    reads_the_same::<RegisterItem>(&["register_item", "change_item"], item);
    let location =
        json!({"name": "Hall", "kind": "warehouse", "occurred_at": "2010-12-01T08:26:00Z"});
    reads_the_same::<RegisterLocation>(&["register_location", "change_location"], location);
    reads_the_same::<RetireItem>(&["retire_item"], with_cause(json!({})));
    reads_the_same::<ReinstateItem>(&["reinstate_item"], with_cause(json!({})));
    let lines = with_cause(json!({"lines": [line]}));
    reads_the_same::<ReceiveStock>(&["receive_stock"], lines);
    let issue = with_cause(json!({"lines": [line], "purpose": "sale"}));
    reads_the_same::<IssueStock>(&["issue_stock"], issue);
    let difference = json!({"sku": "A", "location": "B", "delta": -6, "expected_quantity": 9});
    let adjustment = with_cause(json!({"lines": [difference], "accept_shortage": true}));
    reads_the_same::<AdjustStock>(&["adjust_stock"], adjustment);
    let count = json!({"quantity": 6, "expected_quantity": null, "accept_shortage": true});
    reads_the_same::<SetStock>(&["set_stock"], with_cause(count));
    let path = json!({"sku": "A", "from": "MAIN", "to": "WEST", "quantity": 6});
    reads_the_same::<MoveStock>(&["move_stock"], with_cause(json!({"lines": [path]})));
    let hold = json!({"owner": "o", "ttl_seconds": 900, "policy": "partial", "lines": [line]});
    reads_the_same::<ReserveStock>(&["reserve_stock"], with_cause(hold));
    let ttl = with_cause(json!({"ttl_seconds": 2_592_000}));
    reads_the_same::<ExtendReservation>(&["extend_reservation"], ttl);
    reads_the_same::<ConfirmReservation>(&["confirm_reservation"], with_cause(json!({})));
    let parts = with_cause(json!({"lines": [{"line": 1, "quantity": 2}]}));
    reads_the_same::<ReleaseReservation>(&["release_reservation"], parts.clone());
    reads_the_same::<CancelReservation>(&["cancel_reservation"], parts.clone());
    reads_the_same::<FulfilReservation>(&["fulfil_reservation"], parts.clone());
    reads_the_same::<ReturnReservation>(&["return_reservation"], parts.clone());
    let sent = json!({"lines": [path], "expected_at": "2030-01-01T00:00:00Z"});
    reads_the_same::<DispatchTransfer>(&["dispatch_transfer"], with_cause(sent));
    reads_the_same::<ReceiveTransfer>(&["receive_transfer"], parts.clone());
    reads_the_same::<CloseTransfer>(&["close_transfer"], with_cause(json!({})));
    reads_the_same::<ReturnTransfer>(&["return_transfer"], parts);
    let ordered = json!({"sku": "A", "location": "B", "quantity": 6});
    let order = json!({"owner": "o", "lines": [ordered], "payment": {"method": "m-1"},
        "deadline_seconds": 900, "policy": "partial"});
    reads_the_same::<PlaceOrder>(&["place_order"], with_cause(order));
    let why = json!({"reason": "changed_mind", "note": "by phone"});
    reads_the_same::<CancelOrder>(&["cancel_order"], why.clone());
    reads_the_same::<ResumeOrder>(&["resume_order"], why);
    let event = json!({"event": "3-1042", "reason": "count", "note": "wrong", "metadata": {}});
    reads_the_same::<Reverse>(&["reverse"], event);
}
