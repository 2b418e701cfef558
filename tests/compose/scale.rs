//! Several query-services behind one port.

use integration_tests::lines_at_main;
use serde_json::json;

use crate::project::Project;

pub(crate) async fn three_query_services_answer_for_each_other(project: &Project) {
    let command = project.command();
    command.put("/v1/locations/MAIN", json!({})).await;
    command.put("/v1/items/SCALED", json!({})).await.expect_status(201);
    scale(project, 3).await;
    let list = project.compose(&["ps", "--quiet", "query-service"]).await;
    let containers: Vec<&str> = list.lines().collect();
    assert_eq!(containers.len(), 3, "{containers:?}");
    for left in (1..=3).rev() {
        // More often than there are instances, so that each is asked.
        for _ in 0..6 {
            let receipt = lines_at_main(&[("SCALED", 1)]);
            let received = command.done("/v1/receipts", receipt).await;
            let figure = project.read("/v1/stock/SCALED/MAIN").await;
            let recorded = received.figures("SCALED").on_hand;
            assert_eq!(figure["on_hand"], recorded, "{left} instances: {figure}");
        }
        if left > 1 {
            project.docker(&["stop", containers[left - 1]]).await;
        }
    }
    scale(project, 1).await;
}

async fn scale(project: &Project, count: u16) {
    let count = format!("query-service={count}");
    let up = ["up", "--detach", "--wait", "--no-build", "--no-recreate", "--scale", &count];
    project.compose(&up).await;
}
