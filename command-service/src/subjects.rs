//! Records in the log that persons were forgotten, where a service stopped between the deletion of a key and
//! its event. The log takes each key once, so several instances at once do no harm.

use std::time::Duration;

use service_edge::outage::Outage;
use shared_events::values::Label;
use tokio::time::sleep;

use crate::inventory::{Command, ForgetSubject};
use crate::log::submission::{Outcome, Submission};
use crate::log::writer::Writer;
use crate::personal::{ForgottenKey, PersonalVault};

/// Keys that are recorded at a time.
const KEYS_MAX: i64 = 500;

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Records what is not recorded yet, and never returns.
pub(crate) async fn record(vault: PersonalVault, writer: Writer) {
    let outage = Outage::none();
    loop {
        match record_once(&vault, &writer).await {
            Ok(()) if outage.is_over() => {
                tracing::info!("the deleted keys of subjects are read again")
            }
            Ok(()) => {}
            Err(error) => {
                if let Some(failures) = outage.failed() {
                    tracing::warn!(%error, failures, "the deleted keys of subjects cannot be read, trying again");
                }
            }
        }
        sleep(POLL_INTERVAL).await;
    }
}

async fn record_once(vault: &PersonalVault, writer: &Writer) -> sqlx::Result<()> {
    let unrecorded = vault.unrecorded(KEYS_MAX).await?;
    for keys in unrecorded.chunk_by(|one, other| one.subject == other.subject) {
        let outcome = writer.submit(submission(keys)).await;
        if is_recorded(&outcome) {
            vault.mark_recorded(keys).await?;
        }
    }
    Ok(())
}

/// The command that records deleted keys of one subject.
pub(crate) fn command(subject: Label, keys: &[ForgottenKey]) -> Command {
    let keys = keys.iter().map(ForgottenKey::name).collect();
    Command::ForgetSubject(ForgetSubject { subject, keys })
}

/// Whether the log knows after this outcome.
pub(crate) fn is_recorded(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Decided(_) | Outcome::Replayed(_))
}

fn submission(keys: &[ForgottenKey]) -> Submission {
    let subject = keys[0].subject.clone();
    Submission::by_itself(command(subject.clone(), keys), subject, None)
}
