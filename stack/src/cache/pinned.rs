//! The versions that `pom.xml` pins, and the platform of this machine.

use anyhow::{Context, bail};

/// The project that Maven is given.
pub const POM: &str = include_str!("../../pom.xml");

/// The versions of what is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Of the Postgres binaries, `18.4.0`.
    pub postgres: String,
    /// Of Kafka, `4.3.1`.
    pub kafka: String,
}

impl Pinned {
    /// Reads them from `pom.xml`, the one place that says them.
    ///
    /// # Errors
    /// A property is missing there.
    pub fn from_pom() -> anyhow::Result<Self> {
        Ok(Self {
            postgres: property(POM, "postgres.version")?,
            kafka: property(POM, "kafka.version")?,
        })
    }

    /// The name of the folder in the cache.
    #[must_use]
    pub fn folder_name(&self, platform: Platform) -> String {
        format!("postgres-{}-kafka-{}-{}", self.postgres, self.kafka, platform.name())
    }

    /// The jar that holds Postgres.
    #[must_use]
    pub fn postgres_jar(&self, platform: Platform) -> String {
        format!("embedded-postgres-binaries-{}-{}.jar", platform.name(), self.postgres)
    }

    /// `18` of `18.4.0`.
    #[must_use]
    pub fn postgres_major(&self) -> &str {
        self.postgres.split('.').next().unwrap_or(&self.postgres)
    }
}

/// The text of `<name>text</name>`.
fn property(pom: &str, name: &str) -> anyhow::Result<String> {
    let between = || {
        let (_, rest) = pom.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(value.trim().to_owned())
    };
    between().with_context(|| format!("pom.xml has no property {name}"))
}

/// A platform that Postgres is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Linux on x86-64.
    LinuxAmd64,
    /// Linux on 64-bit ARM.
    LinuxArm64,
    /// macOS on x86-64.
    MacosAmd64,
    /// macOS on Apple silicon.
    MacosArm64,
}

impl Platform {
    /// The platform this program was built for.
    ///
    /// # Errors
    /// There is no Postgres for it.
    pub fn of_this_machine() -> anyhow::Result<Self> {
        Self::of(std::env::consts::OS, std::env::consts::ARCH)
    }

    fn of(os: &str, arch: &str) -> anyhow::Result<Self> {
        Ok(match (os, arch) {
            ("linux", "x86_64") => Self::LinuxAmd64,
            ("linux", "aarch64") => Self::LinuxArm64,
            ("macos", "x86_64") => Self::MacosAmd64,
            ("macos", "aarch64") => Self::MacosArm64,
            _ => bail!(
                "no Postgres to fetch for {os} on {arch}; name servers of your own with \
                 DATABASE_URL and KAFKA_BROKERS"
            ),
        })
    }

    /// Its name in the names of Maven's artifacts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LinuxAmd64 => "linux-amd64",
            Self::LinuxArm64 => "linux-arm64v8",
            Self::MacosAmd64 => "darwin-amd64",
            Self::MacosArm64 => "darwin-arm64v8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_names_every_pinned_version() {
        let pinned = Pinned::from_pom().unwrap();
        let name = pinned.folder_name(Platform::LinuxAmd64);
        assert_eq!(name, "postgres-18.4.0-kafka-4.3.1-linux-amd64");
        assert_eq!(pinned.postgres_major(), "18");
    }

    #[test]
    fn a_property_that_is_missing_is_named() {
        let error = property("<project/>", "kafka.version").unwrap_err();
        assert_eq!(error.to_string(), "pom.xml has no property kafka.version");
    }

    #[test]
    fn a_platform_without_postgres_is_refused_with_a_way_out() {
        assert_eq!(Platform::of("macos", "aarch64").unwrap().name(), "darwin-arm64v8");
        let message = Platform::of("linux", "riscv64").unwrap_err().to_string();
        assert!(message.contains("DATABASE_URL"), "{message}");
    }
}
