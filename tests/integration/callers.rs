//! A web page must not reach a service on loopback through the browser that shows it.

use std::sync::Arc;

use integration_tests::api::Api;
use integration_tests::stockbook::Stockbook;
use integration_tests::world::World;
use reqwest::Method;
use serde_json::{Value, json};

trials! {
    a_foreign_page_reaches_no_route_of_either_service,
    named_hosts_and_origins_are_answered,
}

const SHOP: &str = "https://shop.example";

/// Every route of a service, each with its methods, and the routes for operators.
async fn routes(api: &Api) -> Vec<(Method, String)> {
    let openapi = api.get("/openapi.json").await.expect_status(200).json();
    let mut routes = Vec::new();
    for (path, operations) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let refusals = operation["responses"]["403"]["description"].as_str();
            assert!(refusals.is_some_and(|text| text.contains("forbidden_host")), "{path}");
            let path = path.replace(['{', '}'], "");
            routes.push((method.to_uppercase().parse().unwrap(), path));
        }
    }
    let others = ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs/", "/problems/internal"];
    routes.extend(others.map(|path| (Method::GET, path.to_owned())));
    routes
}

async fn a_foreign_page_reaches_no_route_of_either_service(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    stockbook.register(&["A"]).await;
    let before = stockbook.recorded().await;
    for api in [stockbook.command(), stockbook.query()] {
        for (method, path) in routes(&api).await {
            let ask = async |headers: &[(&str, &str)]| {
                let json = [("content-type", "application/json")];
                let headers = [&json[..], headers].concat();
                api.try_send(method.clone(), &path, &headers, Some(b"{}".to_vec())).await.unwrap()
            };
            ask(&[("host", "evil.example")]).await.expect_problem(403, "forbidden_host");
            if !method.is_safe() {
                for foreign in
                    [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
                {
                    ask(&[foreign]).await.expect_problem(403, "forbidden_origin");
                }
            }
        }
        for own in ["localhost", "127.0.0.1:1", "[::1]:8080"] {
            api.get_with("/livez", &[("host", own)]).await.expect_status(200);
        }
        // A page may be shown something, but not read it.
        let answer = api.get_with("/readyz", &[("origin", SHOP)]).await.expect_status(200);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let retire = [("host", "evil.example"), ("origin", "https://evil.example")];
    let command = stockbook.command();
    let answer = command.send_with("POST", "/v1/items/A/retire", &retire, &json!({})).await;
    answer.expect_problem(403, "forbidden_host");
    assert_eq!(stockbook.recorded().await, before, "something was recorded");
    command.post("/v1/items/A/retire", json!({})).await.expect_status(200);
}

async fn named_hosts_and_origins_are_answered(world: Arc<World>) {
    let settings = [("ALLOWED_HOSTS", "stock.example,other.example"), ("CORS_ORIGINS", SHOP)];
    let mut stockbook = Stockbook::prepare(&world, 2).await;
    stockbook.add_command_service(&settings).await;
    stockbook.add_query_service(&settings).await;
    stockbook.register(&["A"]).await;
    let (command, query) = (stockbook.command(), stockbook.query());
    for api in [&command, &query] {
        api.get_with("/livez", &[("host", "Other.example:443")]).await.expect_status(200);
        api.get_with("/livez", &[("host", "evil.example")])
            .await
            .expect_problem(403, "forbidden_host");
        let asked = [
            ("origin", SHOP),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "idempotency-key,content-type"),
        ];
        let allowed = api.try_send(Method::OPTIONS, "/v1/items/A", &asked, None).await.unwrap();
        let allowed = allowed.expect_status(200);
        assert_eq!(allowed.header("access-control-allow-origin"), Some(SHOP));
        assert_eq!(allowed.header("access-control-allow-methods"), Some("PUT"));
    }
    let of_shop = [("origin", SHOP), ("sec-fetch-site", "cross-site")];
    let lines = json!({"lines": [{"sku": "A", "location": "MAIN", "quantity": 1}]});
    let answer = command.send_with("POST", "/v1/receipts", &of_shop, &lines).await;
    let answer = answer.expect_status(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
    assert_eq!(answer.header("access-control-expose-headers"), Some("*"));
    let asked: Value = json!({"pairs": [{"sku": "A"}]});
    query.send_with("POST", "/v1/availability", &of_shop, &asked).await.expect_status(200);
    let others = [("origin", "https://evil.example")];
    let answer = command.send_with("POST", "/v1/receipts", &others, &lines).await;
    answer.expect_problem(403, "forbidden_origin");
}
