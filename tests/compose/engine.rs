//! The container engine of this machine.

use std::process::Command;

/// Why containers cannot be had here; nothing when they can.
#[expect(clippy::disallowed_methods, reason = "a test program has no clap struct")]
pub(crate) fn reason_to_skip() -> Option<String> {
    let wish = std::env::var("STOCKBOOK_COMPOSE");
    let reason = || [&["version"][..], &["compose", "version"]].into_iter().find_map(failure);
    match wish.as_deref() {
        Err(_) => reason(),
        Ok("skip") => Some("STOCKBOOK_COMPOSE=skip".to_owned()),
        Ok("required") => match reason() {
            None => None,
            Some(reason) => panic!("STOCKBOOK_COMPOSE=required, but {reason}"),
        },
        Ok(other) => panic!("STOCKBOOK_COMPOSE is required or skip, not {other}"),
    }
}

/// What a call of `docker` says when it fails.
fn failure(arguments: &[&str]) -> Option<String> {
    let shown = format!("`docker {}`", arguments.join(" "));
    match Command::new("docker").args(arguments).output() {
        Err(error) => Some(format!("{shown} cannot be run: {error}")),
        Ok(output) if !output.status.success() => {
            Some(format!("{shown} says: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Ok(_) => None,
    }
}
