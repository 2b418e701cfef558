//! How Kafka is reached: where, by TLS or not, and what is signed in with.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use rdkafka::ClientConfig;

/// Whether this program can do what needs OpenSSL.
const HAS_TLS: bool = cfg!(feature = "kafka-tls");

/// Kafka's brokers, and how they are spoken to.
#[derive(Debug, Clone, Default, Args)]
pub struct Brokers {
    /// Kafka's bootstrap servers, host:port, separated by commas.
    #[arg(long, env = "KAFKA_BROKERS")]
    pub kafka_brokers: String,

    /// What the brokers' port speaks.
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL", value_enum, ignore_case = true)]
    #[arg(default_value = "plaintext")]
    pub kafka_security_protocol: SecurityProtocol,

    /// Certificates, in PEM, of those who may issue the brokers'; by default those that this machine trusts.
    #[arg(long, env = "KAFKA_CA")]
    pub kafka_ca: Option<PathBuf>,

    /// How this service signs in to the brokers.
    #[arg(long, env = "KAFKA_SASL_MECHANISM", value_enum, ignore_case = true)]
    pub kafka_sasl_mechanism: Option<SaslMechanism>,

    /// The name that this service signs in with.
    #[arg(long, env = "KAFKA_USERNAME")]
    pub kafka_username: Option<String>,

    /// The file that holds the password. It is read whenever a client is made.
    #[arg(long, env = "KAFKA_PASSWORD_FILE")]
    pub kafka_password_file: Option<PathBuf>,
}

/// The names are Kafka's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SecurityProtocol {
    #[default]
    Plaintext,
    Ssl,
    #[value(name = "sasl_plaintext")]
    SaslPlaintext,
    #[value(name = "sasl_ssl")]
    SaslSsl,
}

/// The names are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    #[value(name = "PLAIN")]
    Plain,
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SecurityProtocol {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    fn has_tls(self) -> bool {
        match self {
            Self::Ssl | Self::SaslSsl => true,
            Self::Plaintext | Self::SaslPlaintext => false,
        }
    }

    fn has_sign_in(self) -> bool {
        match self {
            Self::SaslPlaintext | Self::SaslSsl => true,
            Self::Plaintext | Self::Ssl => false,
        }
    }
}

impl SaslMechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Brokers {
    /// # Errors
    /// Settings contradict each other, the password cannot be read, or this program cannot do what they want.
    pub fn check(&self) -> anyhow::Result<()> {
        let protocol = self.kafka_security_protocol;
        let scram = [SaslMechanism::ScramSha256, SaslMechanism::ScramSha512];
        let is_scram = self.kafka_sasl_mechanism.is_some_and(|used| scram.contains(&used));
        ensure!(
            HAS_TLS || !(protocol.has_tls() || is_scram),
            "this program has no TLS and no SCRAM for Kafka: build it with `--features kafka-tls`"
        );
        ensure!(
            protocol.has_tls() || self.kafka_ca.is_none(),
            "KAFKA_CA needs KAFKA_SECURITY_PROTOCOL=ssl or sasl_ssl"
        );
        let parts = [
            self.kafka_sasl_mechanism.is_some(),
            self.kafka_username.is_some(),
            self.kafka_password_file.is_some(),
        ];
        ensure!(
            parts == [protocol.has_sign_in(); 3],
            "KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD_FILE belong to \
             KAFKA_SECURITY_PROTOCOL=sasl_ssl or sasl_plaintext, all three"
        );
        self.password().map(drop)
    }

    /// What every client begins with.
    pub fn settings(&self) -> ClientConfig {
        let mut settings = ClientConfig::new();
        settings
            .set("bootstrap.servers", &self.kafka_brokers)
            .set("security.protocol", self.kafka_security_protocol.name());
        if let Some(path) = &self.kafka_ca {
            settings.set("ssl.ca.location", path.display().to_string());
        }
        if let (Some(mechanism), Some(user)) = (self.kafka_sasl_mechanism, &self.kafka_username) {
            settings.set("sasl.mechanism", mechanism.name()).set("sasl.username", user);
        }
        match self.password() {
            Ok(Some(password)) => drop(settings.set("sasl.password", password)),
            Ok(None) => {}
            // The client cannot be made then, and is tried again.
            Err(error) => tracing::warn!("Kafka lets nobody in without a password: {error:#}"),
        }
        settings
    }

    fn password(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.kafka_password_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("KAFKA_PASSWORD_FILE {} cannot be read", path.display()))?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(
        protocol: SecurityProtocol,
        mechanism: Option<SaslMechanism>,
        password: Option<PathBuf>,
    ) -> Brokers {
        Brokers {
            kafka_brokers: "localhost:9092".to_owned(),
            kafka_security_protocol: protocol,
            kafka_ca: None,
            kafka_sasl_mechanism: mechanism,
            kafka_username: mechanism.map(|_| "stockbook".to_owned()),
            kafka_password_file: password,
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "open sesame\n").expect("it is written");
        let plain = Some(SaslMechanism::Plain);
        let good = brokers(SecurityProtocol::SaslPlaintext, plain, Some(file.clone()));
        good.check().expect("good settings");
        brokers(SecurityProtocol::Plaintext, None, None).check().expect("good settings");
        for bad in [
            brokers(SecurityProtocol::Plaintext, plain, Some(file.clone())),
            brokers(SecurityProtocol::SaslPlaintext, None, None),
            brokers(SecurityProtocol::SaslPlaintext, plain, None),
            brokers(SecurityProtocol::SaslPlaintext, plain, Some(folder.path().join("none"))),
            Brokers { kafka_ca: Some(file.clone()), ..good.clone() },
        ] {
            bad.check().expect_err(&format!("{bad:?}"));
        }
        let with_tls = brokers(SecurityProtocol::Ssl, None, None);
        assert_eq!(with_tls.check().is_ok(), HAS_TLS);
        let scram = Some(SaslMechanism::ScramSha512);
        let scram = brokers(SecurityProtocol::SaslPlaintext, scram, Some(file));
        assert_eq!(scram.check().is_ok(), HAS_TLS);
    }

    #[test]
    fn the_password_is_that_of_the_file_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "open sesame\n").expect("it is written");
        let plain = Some(SaslMechanism::Plain);
        let brokers = brokers(SecurityProtocol::SaslPlaintext, plain, Some(file));
        let settings = brokers.settings();
        assert_eq!(settings.get("sasl.password"), Some("open sesame"));
        assert!(!format!("{brokers:?} {settings:?}").contains("sesame"));
    }
}
