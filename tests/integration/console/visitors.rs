//! Visitors of the console sign in, and have the rights of what they sign in with.

use std::sync::Arc;

use chrono::{SecondsFormat, TimeDelta, Utc};
use integration_tests::issuer::AUDIENCE;
use integration_tests::{
    Api, Issuer, Stockbook, Visitor, World, eventually, hidden, lines_at_main,
};
use reqwest::StatusCode;
use serde_json::json;
use stack::services::Service;

use super::{assert_shows, figure, shop};
use crate::sign_in::{asked_with, known, logs, register, signed_in, signed_in_to};

trials! {
    a_visitor_has_the_rights_of_the_key_until_signing_out,
    a_form_of_who_signed_in_has_the_token_of_their_page,
    a_session_ends_with_what_began_it,
    a_key_with_locations_shows_its_own_only_and_its_cookie_is_for_tls,
    a_visitor_signs_in_at_an_issuer,
    a_visitor_stays_signed_in_as_long_as_the_issuer_renews_the_token,
    nobody_is_signed_in_by_what_does_not_belong_to_their_own_sign_in,
    a_console_with_sign_in_shows_nothing_of_services_without,
}

const SESSION: &str = "stockbook";

/// Registers item A, puts 5 of it to MAIN and 7 to EAST, and waits until both services know of keys and stock.
async fn stock(stockbook: &Stockbook, admin: &str) -> Api {
    let (command, query) = asked_with(stockbook, admin).await;
    known(&command).await;
    register(&command).await;
    command.done("/v1/receipts", lines_at_main(&[("A", 5)])).await;
    let east = json!({"lines": [{"sku": "A", "location": "EAST", "quantity": 7}]});
    let received = command.done("/v1/receipts", east).await;
    known(&query).await;
    let position = received.header("stock-position").unwrap();
    query.json(&format!("/v1/stock/A?min_position={position}&wait_ms=30000")).await;
    command
}

/// Makes a key, and waits until both services know it.
async fn key(stockbook: &Stockbook, options: &[&str]) -> String {
    let key = stockbook.api_key(options).await;
    let (command, query) = asked_with(stockbook, &key).await;
    for api in [command, query] {
        let asked = async || api.get("/v1/nothing").await.status;
        eventually("the service knows the key", asked, |status| *status != 401).await;
    }
    key
}

fn issuer_settings(issuer: &Issuer) -> [(&'static str, &str); 2] {
    [("AUTH_ISSUER", &issuer.url), ("AUTH_AUDIENCE", AUDIENCE)]
}

async fn a_visitor_has_the_rights_of_the_key_until_signing_out(world: Arc<World>) {
    let (stockbook, admin) = signed_in(&world, &[], &[]).await;
    stock(&stockbook, &admin).await;
    let reading = ["--name", "clerk", "--scope", "stock:read"];
    let clerk = key(&stockbook, &reading).await;
    let mut console = stockbook.console(&[("RUST_LOG", "trace")]).await;
    let mut visitor = Visitor::of(&console);

    // Nothing is shown before, and the way back is kept.
    let led = visitor.get("/items/A?location=MAIN").await.expect_status(303);
    let door = led.header("location").unwrap();
    assert!(door.ends_with("/sign-in?to=%2Fitems%2FA%3Flocation%3DMAIN"), "{door}");
    visitor.get("/live?after=0:0").await.expect_status(401);
    let page = visitor.get("/sign-in?to=/items/A").await.expect_status(200);
    let token = hidden(&page, "form_token");
    let unknown = format!("sbk_{}_{}", "a".repeat(12), "b".repeat(43));
    for wrong in ["", "sbk_", unknown.as_str(), &clerk[1..]] {
        let fields = [("form_token", token.as_str()), ("key", wrong), ("to", "/items/A")];
        let refused = visitor.post("/sign-in", &fields).await.expect_status(403);
        assert_shows(&refused, &["do not know this key"]);
    }
    for foreign in ["", "other"] {
        let fields = [("form_token", foreign), ("key", clerk.as_str())];
        visitor.post("/sign-in", &fields).await.expect_status(403);
    }
    assert_eq!(visitor.cookie(SESSION), None);

    // Then everything that the key may see, and a clear word where it may not.
    let led = visitor.sign_in(&clerk, "/items/A").await.expect_status(303);
    assert!(led.header("location").unwrap().ends_with("/items/A"));
    let set = visitor.set.last().unwrap();
    assert!(set.starts_with("stockbook="), "{set}");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "plain HTTP on loopback: {set}");
    let page = visitor.get("/items/A").await.expect_status(200);
    assert_shows(&page, &[&figure(&json!(5)), &figure(&json!(7)), &clerk[..16]]);
    assert!(!page.body.contains(&clerk[17..]), "the secret is not shown");
    let refused = visitor.get("/pipeline").await.expect_status(403);
    assert_shows(&refused, &["You may not do this", "lacks the scope log:read"]);
    let form = visitor.get("/record/receive").await.expect_status(200);
    let token = hidden(&form, "form_token");
    let fields =
        [("form_token", token.as_str()), ("sku", "A"), ("location", "MAIN"), ("quantity", "1")];
    let refused = visitor.post("/record/receive", &fields).await.expect_status(403);
    assert_shows(&refused, &["lacks the scope stock:write"]);

    let mut thief = Visitor::of(&console);
    thief.set_cookie(SESSION, visitor.cookie(SESSION).unwrap());
    thief.get("/items/A").await.expect_status(200);
    visitor.post("/sign-out", &[("form_token", &token)]).await.expect_status(303);
    assert_eq!(visitor.cookie(SESSION), None);
    for gone in [&mut visitor, &mut thief] {
        gone.get("/items/A").await.expect_status(303);
    }
    let log = logs(std::slice::from_mut(&mut console));
    assert!(log.contains("a visitor signed in") && !log.contains(&clerk[17..]), "{log}");
}

async fn a_form_of_who_signed_in_has_the_token_of_their_page(world: Arc<World>) {
    let (stockbook, admin) = signed_in(&world, &[], &[]).await;
    let command = stock(&stockbook, &admin).await;
    let writing = ["--name", "till-7", "--scope", "stock:read,stock:write,log:read"];
    let till = key(&stockbook, &writing).await;
    let console = stockbook.console(&[]).await;
    let (mut visitor, mut other) = (Visitor::of(&console), Visitor::of(&console));
    visitor.sign_in(&till, "/").await.expect_status(303);
    other.sign_in(&admin, "/").await.expect_status(303);
    let form = visitor.get("/record/receive").await.expect_status(200);
    let (own, idempotency) = (hidden(&form, "form_token"), hidden(&form, "key"));
    let page = other.get("/record/receive").await.expect_status(200);
    let foreign = hidden(&page, "form_token");
    let before = command.stream("stock/A/MAIN").await.len();
    let fields =
        [("key", idempotency.as_str()), ("sku", "A"), ("location", "MAIN"), ("quantity", "1")];
    for wrong in [&[][..], &[("form_token", "")], &[("form_token", foreign.as_str())]] {
        for path in ["/record/receive", "/operations/reverse", "/operations/rebuild", "/sign-out"] {
            let refused = visitor.post(path, &[&fields[..], wrong].concat()).await;
            assert_shows(&refused.expect_status(403), &["The form comes from elsewhere"]);
        }
    }
    assert_eq!(command.stream("stock/A/MAIN").await.len(), before);
    visitor.get("/items/A").await.expect_status(200);
    let whole = [&fields[..], &[("form_token", own.as_str())]].concat();
    visitor.post("/record/receive", &whole).await.expect_status(303);
    let events = command.stream("stock/A/MAIN").await;
    assert_eq!(events.len(), before + 1);
    let actor = events.last().unwrap().actor.as_ref().unwrap();
    assert_eq!(actor.as_str(), "till-7", "the services know who did it");
}

async fn a_session_ends_with_what_began_it(world: Arc<World>) {
    let (stockbook, admin) = signed_in(&world, &[], &[]).await;
    stock(&stockbook, &admin).await;
    let reading = ["--name", "clerk", "--scope", "stock:read,log:read"];
    let revoked = key(&stockbook, &reading).await;
    let soon = (Utc::now() + TimeDelta::seconds(4)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let expiring = key(&stockbook, &[&reading[..], &["--expires", &soon]].concat()).await;
    let console = stockbook.console(&[("SESSIONS_MAX", "2")]).await;
    let (mut one, mut two) = (Visitor::of(&console), Visitor::of(&console));
    one.sign_in(&revoked, "/items").await.expect_status(303);
    two.sign_in(&expiring, "/items").await.expect_status(303);
    let form = hidden(&one.get("/record/receive").await.expect_status(200), "form_token");
    let mut changes = follow_changes(&console, &one).await;
    let id = revoked.split('_').nth(1).unwrap();
    stockbook.keys(&["revoke", id]).await.expect("it is revoked");
    let open = async || changes.chunk().await.ok().flatten().map(|chunk| chunk.len());
    eventually("the changes end", open, Option::is_none).await;
    let fields =
        [("form_token", form.as_str()), ("sku", "A"), ("location", "MAIN"), ("quantity", "1")];
    let refused = one.post("/record/receive", &fields).await.expect_status(401);
    assert_shows(&refused, &["You are not signed in", "Nothing was done"]);
    assert_eq!(one.cookie(SESSION), None);

    let status = async || two.get("/items/A").await.status;
    eventually("the key expires", status, |status| *status == 303).await;
    assert_eq!(two.cookie(SESSION), None, "what is of no use is not kept");

    // More visitors than there is room for: who was away for longest signs in again.
    let mut visitors = [Visitor::of(&console), Visitor::of(&console), Visitor::of(&console)];
    for visitor in &mut visitors {
        visitor.sign_in(&admin, "/items").await.expect_status(303);
    }
    let [first, second, third] = &mut visitors;
    first.get("/items").await.expect_status(303);
    second.get("/items").await.expect_status(200);
    third.get("/items").await.expect_status(200);
}

/// The changes as the page of a visitor follows them.
async fn follow_changes(console: &Service, visitor: &Visitor) -> reqwest::Response {
    let http = console.access().client().unwrap().build().unwrap();
    let cookie = format!("{SESSION}={}", visitor.cookie(SESSION).unwrap());
    let url = format!("{}/live?after=0:0", console.url());
    let changes = http.get(url).header("cookie", cookie).send().await.unwrap();
    assert_eq!(changes.status(), StatusCode::OK);
    changes
}

async fn a_key_with_locations_shows_its_own_only_and_its_cookie_is_for_tls(world: Arc<World>) {
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.certificates = Some(stockbook.authority("console"));
    let (stockbook, admin) = signed_in_to(stockbook, &[], &[]).await;
    stock(&stockbook, &admin).await;
    let scope = "stock:read,log:read,stock:write,operate";
    let east = ["--name", "east", "--scope", scope, "--location", "EAST"];
    let east = key(&stockbook, &east).await;
    let ca = stockbook.certificates.as_ref().unwrap().ca().display().to_string();
    let console = stockbook.console(&[("SERVICE_CA", &ca), ("AUTH", "on")]).await;
    assert!(console.url().starts_with("https://"));
    let mut visitor = Visitor::of(&console);
    visitor.sign_in(&east, "/items").await.expect_status(303);
    let set = visitor.set.last().unwrap();
    assert!(set.starts_with("__Host-stockbook="), "{set}");
    assert!(set.ends_with("; Path=/; HttpOnly; Secure; SameSite=Lax"), "{set}");
    for path in ["/items/A", "/items?location=EAST", "/items?q=A", "/items"] {
        let page = visitor.get(path).await.expect_status(200);
        assert_shows(&page, &[&figure(&json!(7))]);
        for foreign in [figure(&json!(5)), figure(&json!(12))] {
            assert!(!page.body.contains(&foreign), "{path} shows {foreign}: {}", page.body);
        }
    }
    for path in ["/items?location=MAIN", "/pipeline", "/streams/stock/A/MAIN"] {
        let refused = visitor.get(path).await.expect_status(403);
        assert_shows(&refused, &["You may not do this"]);
    }
}

async fn a_visitor_signs_in_at_an_issuer(world: Arc<World>) {
    let issuer = Issuer::start().await;
    let trusted = issuer_settings(&issuer);
    let (stockbook, admin) = signed_in(&world, &trusted, &trusted).await;
    stock(&stockbook, &admin).await;
    let console = console_at(&stockbook, &issuer).await;
    let mut visitor = Visitor::of(&console);
    let page = visitor.follow("/items/A").await.expect_status(200);
    assert_shows(&page, &["Sign in with your organisation", "/sign-in/issuer?to=%2Fitems%2FA"]);

    // Not before the issuer says who it is, and not if the services do not accept its word.
    let refused = visitor.follow("/sign-in/issuer").await.expect_status(403);
    assert_shows(&refused, &["did not sign you in", "access_denied"]);
    let mut claims = issuer.claims("ann", "openid stock:read");
    claims["aud"] = json!("somebody else");
    issuer.signs_in(Some(claims));
    let refused = visitor.follow("/sign-in/issuer").await.expect_status(403);
    assert_shows(&refused, &["services do not accept its token"]);
    assert_eq!(visitor.cookie(SESSION), None);

    let mut claims = issuer.claims("ann", "openid stock:read");
    claims["preferred_username"] = json!("Ann <b>");
    issuer.signs_in(Some(claims));
    let page = visitor.follow("/sign-in/issuer?to=/items/A").await.expect_status(200);
    assert_shows(&page, &[&figure(&json!(5)), "Ann &#60;b&#62;"]);
    assert_eq!(visitor.cookie("stockbook-flow"), None, "what was kept for the way is gone");
    let refused = visitor.get("/pipeline").await.expect_status(403);
    assert_shows(&refused, &["lacks the scope log:read"]);
}

async fn a_visitor_stays_signed_in_as_long_as_the_issuer_renews_the_token(world: Arc<World>) {
    let issuer = Issuer::start().await;
    let trusted = issuer_settings(&issuer);
    let (stockbook, admin) = signed_in(&world, &trusted, &trusted).await;
    stock(&stockbook, &admin).await;
    let mut console = console_at(&stockbook, &issuer).await;
    let mut visitor = Visitor::of(&console);
    issuer.renews(true);
    issuer.signs_in(Some(issuer.claims("ann", "openid stock:read")));
    visitor.follow("/sign-in/issuer?to=/items/A").await.expect_status(200);
    visitor.get("/pipeline").await.expect_status(403);

    // Each token counts for a second, and what renews it once. The pages of a moment have it renewed together.
    issuer.signs_in(Some(issuer.claims("ann", "openid stock:read log:read")));
    let pages = async || {
        let visits = (0..6).map(|_| {
            let mut tab = visitor.clone();
            async move { tab.get("/items/A").await.expect_status(200) }
        });
        futures::future::join_all(visits).await;
        issuer.renewed()
    };
    eventually("tokens are renewed", pages, |renewed| *renewed >= 3).await;
    visitor.get("/pipeline").await.expect_status(200);

    // Without the issuer the last token goes on until the services refuse it.
    issuer.renews(false);
    let log = async || {
        visitor.clone().get("/items/A").await.expect_status(200);
        logs(std::slice::from_mut(&mut console))
    };
    eventually("nothing is renewed", log, |log| log.contains("a visitor's token is not renewed"))
        .await;
}

/// A console whose visitors may sign in at this issuer.
async fn console_at(stockbook: &Stockbook, issuer: &Issuer) -> Service {
    // The issuer leads back to wherever this says, so the port need not be known before.
    let back = "http://127.0.0.1:1/sign-in/callback";
    let settings = [
        ("OIDC_ISSUER", issuer.url.as_str()),
        ("OIDC_CLIENT_ID", "console"),
        ("OIDC_REDIRECT_URL", back),
    ];
    stockbook.console(&settings).await
}

async fn nobody_is_signed_in_by_what_does_not_belong_to_their_own_sign_in(world: Arc<World>) {
    let issuer = Issuer::start().await;
    let trusted = issuer_settings(&issuer);
    let (stockbook, admin) = signed_in(&world, &trusted, &trusted).await;
    stock(&stockbook, &admin).await;
    let mut console = console_at(&stockbook, &issuer).await;
    issuer.signs_in(Some(issuer.claims("ann", "stock:read")));
    let (mut ann, mut eve) = (Visitor::of(&console), Visitor::of(&console));
    let back = begun(&mut ann).await;
    for other in ["/sign-in/callback", "/sign-in/callback?code=a&state=b", &back] {
        let refused = eve.get(other).await.expect_status(403);
        assert_shows(&refused, &["was not begun on this page"]);
    }
    begun(&mut eve).await;
    eve.get(&back).await.expect_status(403);
    assert_eq!(eve.cookie(SESSION), None, "the answer to another's sign-in is not taken");
    ann.get(&back).await.expect_status(303);
    ann.get("/items/A").await.expect_status(200);

    // A code counts once, and an ID token only for its sign-in.
    let back = begun(&mut eve).await;
    eve.get(&back.replace("code-", "kode-")).await.expect_status(403);
    issuer.says_nonce("another");
    let back = begun(&mut eve).await;
    eve.get(&back).await.expect_status(502);
    assert_eq!(eve.cookie(SESSION), None);
    drop(issuer);
    eve.follow("/sign-in/issuer").await.expect_status(502);
    let log = logs(std::slice::from_mut(&mut console));
    assert!(log.contains("visitors cannot sign in at the issuer"), "{log}");
}

/// Begins at the issuer, and returns the path that it leads back to.
async fn begun(visitor: &mut Visitor) -> String {
    let led = visitor.get("/sign-in/issuer?to=/items/A").await.expect_status(303);
    let led = visitor.get(led.header("location").unwrap()).await.expect_status(303);
    let (_, path) = led.header("location").unwrap().split_once(":1/").expect("the console");
    format!("/{path}")
}

async fn a_console_with_sign_in_shows_nothing_of_services_without(world: Arc<World>) {
    let (stockbook, ..) = shop(&world).await;
    let console = stockbook.console(&[("AUTH", "on")]).await;
    let mut visitor = Visitor::of(&console);
    for path in ["/", "/items/A"] {
        visitor.get(path).await.expect_status(303);
        let page = visitor.follow(path).await.expect_status(409);
        assert_shows(&page, &["The services have no sign-in"]);
    }
    let key = format!("sbk_{}_{}", "a".repeat(12), "b".repeat(43));
    visitor.set_cookie("stockbook-form", "token");
    let fields = [("form_token", "token"), ("key", key.as_str())];
    visitor.post("/sign-in", &fields).await.expect_status(409);
    assert_eq!(visitor.cookie(SESSION), None, "they would take any key for a good one");
    visitor.post("/record/receive", &[]).await.expect_status(401);
}
