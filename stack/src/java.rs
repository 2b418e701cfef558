//! Java and Maven, the two programs that a developer installs.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail};
use tokio::process::Command;

/// The oldest Java that Kafka 4 runs on.
const JAVA_MIN: u32 = 17;

/// Checks that this machine can run Kafka.
pub(crate) async fn check_java(java: &Path) -> anyhow::Result<()> {
    refuse(look_for_java(java).await?.into_iter().collect())
}

/// Checks that this machine can run Kafka and fetch what it needs.
pub(crate) async fn check_java_and_maven(java: &Path) -> anyhow::Result<()> {
    let missing = [look_for_java(java).await?, look_for_maven().await?];
    refuse(missing.into_iter().flatten().collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Java,
    NewerJava { found: u32 },
    Maven,
}

async fn look_for_java(java: &Path) -> anyhow::Result<Option<Missing>> {
    let Some(text) = output_of(Command::new(java).arg("-version")).await? else {
        return Ok(Some(Missing::Java));
    };
    Ok(match java_major(&text) {
        Some(found) if found < JAVA_MIN => Some(Missing::NewerJava { found }),
        Some(_) => None,
        // The `java` of macOS only prints where to get Java.
        None => Some(Missing::Java),
    })
}

async fn look_for_maven() -> anyhow::Result<Option<Missing>> {
    let found = output_of(Command::new("mvn").arg("--version")).await?;
    Ok(found.is_none().then_some(Missing::Maven))
}

/// The output of a program, or none when it is not installed.
async fn output_of(command: &mut Command) -> anyhow::Result<Option<String>> {
    match command.kill_on_drop(true).output().await {
        Ok(output) => {
            let output = [output.stdout, output.stderr].concat();
            Ok(Some(String::from_utf8_lossy(&output).into_owned()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let program = command.as_std().get_program().display().to_string();
            Err(error).with_context(|| format!("cannot run {program}"))
        }
    }
}

/// `17` of `openjdk version "17.0.15" 2025-04-15`, `8` of `java version "1.8.0_402"`.
fn java_major(text: &str) -> Option<u32> {
    let quoted = text.split_once("version \"")?.1.split('"').next()?;
    let mut parts = quoted.split(['.', '-', '+', '_']);
    match parts.next()?.parse().ok()? {
        1 => parts.next()?.parse().ok(),
        major => Some(major),
    }
}

fn refuse(missing: Vec<Missing>) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    bail!(advice(&missing, cfg!(target_os = "macos")))
}

/// Names the missing programs and the one command that installs them.
fn advice(missing: &[Missing], macos: bool) -> String {
    let names: Vec<String> = missing
        .iter()
        .map(|missing| match missing {
            Missing::Java => format!("Java {JAVA_MIN} or newer is missing"),
            Missing::NewerJava { found } => {
                format!("Java {JAVA_MIN} or newer is needed, this one is {found}")
            }
            Missing::Maven => "Maven is missing".to_owned(),
        })
        .collect();
    let packages: Vec<&str> = missing
        .iter()
        .map(|missing| match (missing, macos) {
            (Missing::Java | Missing::NewerJava { .. }, true) => "openjdk@21",
            (Missing::Java, false) => "default-jre-headless",
            // The default package of such a system is the old one.
            (Missing::NewerJava { .. }, false) => "openjdk-17-jre-headless",
            (Missing::Maven, _) => "maven",
        })
        .collect();
    let installer = if macos { "brew install" } else { "sudo apt-get install -y" };
    let note = if macos && packages.contains(&"openjdk@21") {
        "\n(then set its place: export JAVA_HOME=\"$(brew --prefix openjdk@21)\")"
    } else {
        ""
    };
    format!("{}; install with:\n  {installer} {}{note}", names.join(", "), packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_the_output_of_java() {
        for (text, major) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK …", Some(17)),
            ("openjdk version \"25\" 2025-09-16", Some(25)),
            ("openjdk version \"26-ea\" 2026-03-17", Some(26)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\njava version \"21.0.2\"", Some(21)),
            ("The operation couldn’t be completed. Unable to locate a Java Runtime.", None),
        ] {
            assert_eq!(java_major(text), major, "{text}");
        }
    }

    #[test]
    fn one_command_installs_everything_that_is_missing() {
        assert_eq!(
            advice(&[Missing::Java, Missing::Maven], false),
            "Java 17 or newer is missing, Maven is missing; install with:\n  \
             sudo apt-get install -y default-jre-headless maven"
        );
        assert!(advice(&[Missing::Maven], true).ends_with("brew install maven"));
        assert!(advice(&[Missing::NewerJava { found: 11 }], false).contains("this one is 11"));
    }

    #[tokio::test]
    async fn a_java_that_does_not_exist_is_missing() {
        let error = check_java(Path::new("/nonexistent/java")).await.unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
    }
}
