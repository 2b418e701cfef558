//! What the compose file must and must not say.

use serde_json::Value;

use crate::project::Project;

pub(crate) async fn every_port_is_on_loopback_and_every_image_has_a_version(project: &Project) {
    let config = project.compose(&["--profile=*", "config", "--format=json"]).await;
    let config: Value = serde_json::from_str(&config).expect("a compose file as JSON");
    let services = config["services"].as_object().expect("services");
    assert!(services.len() > 6, "{services:?}");
    for (name, service) in services {
        let image = service["image"].as_str().expect("an image");
        let version = image.split_once(':').map(|(_, version)| version);
        assert!(version.is_some_and(|version| version != "latest"), "{name}: {image}");
        assert!(service.get("container_name").is_none(), "{name} could not be scaled");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name}: {port}");
        }
    }
}
