//! Several commands in one request.

use super::described::in_batch;
use super::*;
use crate::http::request::batch::parse;

pub(super) fn read(arrived: &Arrived) -> Result<Batch, Problem> {
    parse(arrived, false)
}

async fn refused(arrived: &Arrived, require_key: bool) -> Value {
    document(parse(arrived, require_key).expect_err("a refused batch")).await
}

fn receipt() -> Value {
    json!({
        "type": "receive_stock", "lines": [{"sku": "A", "location": "B", "quantity": 1}],
    })
}

fn independent(commands: &[Value]) -> Vec<Submission> {
    match read(&plain(&json!({"mode": "independent", "commands": commands}))) {
        Ok(Batch::Independent { submissions, .. }) => submissions,
        other => panic!("not independent: {other:?}"),
    }
}

#[test]
fn an_atomic_batch_is_one_submission_with_the_headers_key() {
    let body = json!({"mode": "atomic", "commands": [receipt(), receipt()]});
    let keyed = arrived("/", &[("Idempotency-Key", "k1")], &body.to_string());
    let Ok(Batch::Atomic(submission)) = read(&keyed) else { panic!("not atomic") };
    assert_eq!(submission.asked.requests().len(), 2);
    assert!(submission.key.is_some());
}

#[test]
fn the_commands_of_an_independent_batch_have_keys_of_their_own_and_one_correlation() {
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

#[tokio::test]
async fn all_faults_of_all_commands_are_told_at_once() {
    let mut bad = receipt();
    bad["lines"][0]["quantity"] = json!(0);
    let commands = json!([
        receipt(), bad, {"type": "teleport_stock", "lines": 7}, 7,
        {"type": "confirm_reservation", "id": "17"}, {"type": "retire_item", "expected_version": -1},
        {"type": "reverse", "window": {}},
        {"type": "receive_stock", "lines": [], "expected_version": 1},
    ]);
    let body = json!({"mode": "some", "commands": commands, "x": 1});
    let problem = refused(&plain(&body), false).await;
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

#[tokio::test]
async fn a_key_stands_where_the_mode_has_it() {
    let mut keyed = receipt();
    keyed["idempotency_key"] = json!("k1");
    let atomic = json!({"mode": "atomic", "commands": [keyed]});
    let problem = refused(&plain(&atomic), false).await;
    assert_eq!(faults_of(&problem), ["/commands/0/idempotency_key"]);
    let independent = json!({"mode": "independent", "commands": [receipt(), 7]});
    let header = arrived("/", &[("Idempotency-Key", "k1")], &independent.to_string());
    assert_eq!(faults_of(&refused(&header, false).await), ["/commands/1", "/Idempotency-Key"]);
}

#[tokio::test]
async fn where_keys_are_required_every_execution_has_one() {
    let mut keyed = receipt();
    keyed["idempotency_key"] = json!("k1");
    let body = |mode: &str, commands: &[&Value]| json!({"mode": mode, "commands": commands});
    for missing in [body("atomic", &[&receipt()]), body("independent", &[&keyed, &receipt()])] {
        let problem = refused(&plain(&missing), true).await;
        assert_eq!(problem["type"], "/problems/idempotency_key_missing", "{missing}");
    }
    assert!(parse(&plain(&body("independent", &[&keyed])), true).is_ok());
}

#[tokio::test]
async fn a_batch_has_a_thousand_commands_at_most() {
    let body = |len: usize| json!({"mode": "independent", "commands": vec![receipt(); len]});
    let problem = refused(&plain(&body(1_001)), false).await;
    assert_eq!(problem["type"], "/problems/batch_too_large");
    assert_eq!(problem["limit"], 1_000);
    assert!(read(&plain(&body(1_000))).is_ok());
    assert_eq!(faults_of(&refused(&plain(&body(0)), false).await), ["/commands"]);
}

#[test]
fn every_type_of_command_is_read_as_its_own_request_would_be() {
    for (name, form) in Form::TYPES {
        let alone = accepted(form, &full(form));
        let mut command = in_batch(name, form);
        command.as_object_mut().expect("an object").remove("expected_version");
        let mut submissions = independent(&[command]);
        let in_batch = only(submissions.remove(0));
        assert_eq!(in_batch.occurred_at, alone.occurred_at);
        // What is made carries an id that is made for it.
        if !matches!(form, Form::Reservation | Form::Reversal) {
            assert_eq!(in_batch, alone, "{name}");
        }
    }
}
