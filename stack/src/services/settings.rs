//! Settings of the services, as environment variables.

use std::path::PathBuf;

use std::path::Path;

use reqwest::Url;

use crate::certificates::Certificates;

/// Variables for one run of a service's program, in addition to the inherited ones.
#[derive(Clone, Default)]
pub struct Settings {
    variables: Vec<(&'static str, String)>,
    /// Who issued the service's certificate, if it has one.
    pub(crate) ca: Option<PathBuf>,
}

impl Settings {
    /// `command-service serve`.
    #[must_use]
    pub fn command_service(port: u16, write: &Url, brokers: &str) -> Self {
        Self::default()
            .with("LISTEN", format!("127.0.0.1:{port}"))
            .with("WRITE_DATABASE_URL", write.to_string())
            .with("KAFKA_BROKERS", brokers.to_owned())
    }

    /// `query-service serve`; it fetches missing events from `command_urls`, in this order.
    #[must_use]
    pub fn query_service(port: u16, read: &Url, brokers: &str, command_urls: &[String]) -> Self {
        Self::default()
            .with("LISTEN", format!("127.0.0.1:{port}"))
            .with("READ_DATABASE_URL", read.to_string())
            .with("KAFKA_BROKERS", brokers.to_owned())
            .with("COMMAND_URL", command_urls.join(","))
    }

    /// `migrate` of either, with the URL of the database owner.
    #[must_use]
    pub fn migrate(owner: &Url) -> Self {
        Self::default().with("MIGRATE_DATABASE_URL", owner.to_string())
    }

    /// Adds the database of keys, as its owner, to `migrate` of the command-service.
    #[must_use]
    pub fn with_keys(self, owner: &Url) -> Self {
        self.with("MIGRATE_KEYS_DATABASE_URL", owner.to_string())
    }

    /// Lets a command-service keep personal data.
    #[must_use]
    pub fn keeping_personal(self, keys: &Url, master_key: &Path) -> Self {
        self.with("KEYS_DATABASE_URL", keys.to_string())
            .with("MASTER_KEY_FILE", master_key.display().to_string())
    }

    /// `command-service create-topic`.
    #[must_use]
    pub fn create_topic(brokers: &str) -> Self {
        Self::default().with("KAFKA_BROKERS", brokers.to_owned())
    }

    /// The example of a payment service.
    #[must_use]
    pub fn payment_service(brokers: &str) -> Self {
        Self::default().with("KAFKA_BROKERS", brokers.to_owned())
    }

    /// Over TLS.
    #[must_use]
    pub fn with_tls(self, certificates: &Certificates) -> Self {
        let text = |path: PathBuf| path.display().to_string();
        let settings = self
            .with("TLS_CERT", text(certificates.certificate()))
            .with("TLS_KEY", text(certificates.key()));
        Self { ca: Some(certificates.ca()), ..settings }
    }

    /// `console serve`.
    #[must_use]
    pub fn console(port: u16, command: &str, query: &str) -> Self {
        Self::default()
            .with("LISTEN", format!("127.0.0.1:{port}"))
            .with("COMMAND_URL", command)
            .with("QUERY_URL", query)
    }

    /// Adds a variable, such as `TOPIC`; the last value of a name counts.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        // The output goes to a file.
        let plain = ("NO_COLOR", "1".to_owned());
        std::iter::once(&plain)
            .chain(&self.variables)
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }
}
