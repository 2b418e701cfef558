//! Java and Maven, the two programs that a developer installs.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, ensure};
use tokio::process::Command;

/// The oldest Java that Kafka 4 runs on.
const JAVA_MIN: u32 = 17;

/// Checks that this machine can run Kafka, and whether it can fetch the servers `with_maven`. An
/// error names everything that is missing and the one command that installs it.
pub(crate) async fn check(java: &Path, with_maven: bool) -> anyhow::Result<()> {
    let (installer, newer) = match cfg!(target_os = "macos") {
        true => ("brew install", "openjdk@21"),
        // The default package of a system with an old Java is the old one.
        false => ("sudo apt-get install -y", "openjdk-17-jre-headless"),
    };
    let mut missing = Vec::new();
    let version = output_of(Command::new(java).arg("-version")).await?;
    // The `java` of macOS only prints where to get Java.
    match version.as_deref().and_then(java_major) {
        None => missing.push((format!("Java {JAVA_MIN} or newer is missing"), newer)),
        Some(found) if found < JAVA_MIN => {
            missing
                .push((format!("Java {JAVA_MIN} or newer is needed, this one is {found}"), newer));
        }
        Some(_) => {}
    }
    if with_maven && output_of(Command::new("mvn").arg("--version")).await?.is_none() {
        missing.push(("Maven is missing".to_owned(), "maven"));
    }
    let (names, packages): (Vec<String>, Vec<&str>) = missing.into_iter().unzip();
    ensure!(
        names.is_empty(),
        "{}; install with:\n  {installer} {}\n(JAVA_HOME names a Java that is not in the PATH)",
        names.join(", "),
        packages.join(" ")
    );
    Ok(())
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

    #[tokio::test]
    async fn a_java_that_does_not_exist_is_missing() {
        let error = check(Path::new("/nonexistent/java"), false).await.unwrap_err();
        assert!(error.to_string().contains("is missing; install with"), "{error}");
    }
}
