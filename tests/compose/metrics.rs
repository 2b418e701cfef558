//! A dashboard or an alert on a metric that does not exist would never show anything.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::project::Project;

pub(crate) async fn what_dashboard_and_alerts_name_is_measured(project: &Project) {
    // Something is recorded, applied and asked, so that it is measured.
    project.command().put("/v1/items/MEASURED", json!({})).await.expect_status(201);
    project.read("/v1/items/MEASURED").await;
    let mut measured = BTreeSet::new();
    for service in [project.command(), project.query()] {
        let page = names(&service.get("/metrics").await.expect_status(200).body);
        assert!(page.contains("stockbook_http_request_seconds_bucket"), "{page:?}");
        measured.extend(page);
    }
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    for file in ["prometheus/alerts.yml", "grafana/dashboards/stockbook.json"] {
        let text = std::fs::read_to_string(deploy.join(file)).expect("the file is there");
        let wanted = names(&text);
        assert!(wanted.len() > 5, "{file}: {wanted:?}");
        let missing: Vec<_> = wanted.difference(&measured).collect();
        assert!(missing.is_empty(), "{file} names what is not measured: {missing:?}");
    }
}

/// The series that a text names; those of a histogram with their endings.
fn names(text: &str) -> BTreeSet<String> {
    let is_other = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_');
    text.split(is_other).filter(|word| word.starts_with("stockbook_")).map(str::to_owned).collect()
}
