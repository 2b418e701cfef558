//! Visitors who signed in: what each signed in with, kept in memory, bounded in number and age.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use rand::distr::{Alphanumeric, SampleString};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use service_edge::config::Secret;
use sha2::{Digest, Sha256};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Letters and digits of a token: 62^43 is a little more than 2^256.
const TOKEN_LEN: usize = 43;

/// A text that nobody can guess, from the system's source of randomness.
pub(crate) fn random_token() -> String {
    Alphanumeric.sample_string(&mut UnwrapErr(SysRng), TOKEN_LEN)
}

/// A credential that counts for this time is renewed so long before its end, or earlier.
const RENEWED_BEFORE_END: Duration = Duration::from_secs(30);

/// How long an issuer that could not be asked is not asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What both services are asked with for a visitor.
pub(crate) struct Credential {
    pub(crate) secret: Secret,
    /// How long it counts from now on, if that is known.
    pub(crate) lasts: Option<Duration>,
    /// What the issuer gives the next one for.
    pub(crate) renewal: Option<Secret>,
}

/// Why a credential is not renewed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotRenewed {
    /// It will not be.
    Refused,
    /// It may be later.
    NoAnswer,
}

/// What the services are asked with now.
struct Current {
    secret: Secret,
    renewal: Option<Renewal>,
}

struct Renewal {
    secret: Secret,
    due_at: Instant,
}

impl Current {
    fn of(Credential { secret, lasts, renewal }: Credential) -> Self {
        let due = lasts.map(|lasts| Instant::now() + lasts - RENEWED_BEFORE_END.min(lasts / 4));
        let renewal = renewal.zip(due).map(|(secret, due_at)| Renewal { secret, due_at });
        Self { secret, renewal }
    }
}

/// A visitor who signed in.
pub(crate) struct Session {
    current: Mutex<Current>,
    /// Held by the request that has the credential renewed.
    renewing: tokio::sync::Mutex<()>,
    /// Whose credential it is, as pages write it.
    pub(crate) name: String,
    /// What every form of this visitor carries.
    pub(crate) form_token: String,
    ends_at: Instant,
    /// Ends the pages that follow changes when the session is gone.
    gone: CancellationToken,
    _gone_at_last: DropGuard,
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Session {
    /// The session of a credential, for so long at most.
    pub(crate) fn new(credential: Credential, name: String, lasts_max: Duration) -> Self {
        let gone = CancellationToken::new();
        let lasts = match &credential {
            Credential { lasts: Some(lasts), renewal: None, .. } => lasts_max.min(*lasts),
            _ => lasts_max,
        };
        Self {
            current: Mutex::new(Current::of(credential)),
            renewing: tokio::sync::Mutex::default(),
            name,
            form_token: random_token(),
            ends_at: Instant::now() + lasts,
            _gone_at_last: gone.clone().drop_guard(),
            gone,
        }
    }

    /// What both services are asked with.
    pub(crate) fn credential(&self) -> Secret {
        self.current().secret.clone()
    }

    /// Has the credential renewed if that is due. If it is not, it stays what it is: the services end the session when
    /// they do not accept it any more.
    pub(crate) async fn renew(
        &self,
        ask: impl AsyncFnOnce(&Secret) -> Result<Credential, NotRenewed>,
    ) {
        if self.due().is_none() {
            return;
        }
        let _renewing = self.renewing.lock().await;
        // Another request may have had it done meanwhile.
        let Some(renewal) = self.due() else { return };
        let answer = ask(&renewal).await;
        let mut current = self.current();
        match answer {
            Ok(credential) => {
                let renewal = credential.renewal.or(Some(renewal));
                *current = Current::of(Credential { renewal, ..credential });
            }
            Err(NotRenewed::Refused) => current.renewal = None,
            Err(NotRenewed::NoAnswer) => {
                if let Some(renewal) = &mut current.renewal {
                    renewal.due_at = Instant::now() + ASK_AGAIN;
                }
            }
        }
    }

    /// What the credential is to be renewed with now.
    fn due(&self) -> Option<Secret> {
        let current = self.current();
        let renewal = current.renewal.as_ref()?;
        (Instant::now() >= renewal.due_at).then(|| renewal.secret.clone())
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.ends_at
    }

    /// Waits until the visitor signs out, or the session ends by itself.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + Send + 'static {
        let (gone, ends_at) = (self.gone.clone(), self.ends_at);
        async move {
            tokio::select! {
                () = gone.cancelled() => {}
                () = tokio::time::sleep_until(ends_at.into()) => {}
            }
        }
    }
}

/// All sessions of this console, by the SHA-256 of their ids. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sessions(Arc<Mutex<LruCache<[u8; 32], Arc<Session>>>>);

impl Sessions {
    /// When there are more, the one that was not used for longest ends.
    pub(crate) fn new(sessions_max: NonZeroUsize) -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(sessions_max))))
    }

    /// Keeps a session, and returns the id that only its visitor gets.
    pub(crate) fn start(&self, session: Session) -> String {
        let id = random_token();
        let mut all = self.lock();
        let over = |(hash, session): (&[u8; 32], &Arc<Session>)| session.is_over().then_some(*hash);
        let over: Vec<[u8; 32]> = all.iter().filter_map(over).collect();
        for hash in over {
            end(all.pop(&hash));
        }
        end(all.push(hash(&id), Arc::new(session)).map(|(_, evicted)| evicted));
        id
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(&hash(id)).filter(|session| !session.is_over()).cloned()
    }

    pub(crate) fn end(&self, id: &str) {
        end(self.lock().pop(&hash(id)));
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<[u8; 32], Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pages in progress may still hold the session, so its end is said.
fn end(session: Option<Arc<Session>>) {
    if let Some(session) = session {
        session.gone.cancel();
    }
}

fn hash(id: &str) -> [u8; 32] {
    Sha256::digest(id).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn session(name: &str, lasts: Duration) -> Session {
        let secret = "sbk_secret".parse().expect("a text");
        Session::new(Credential { secret, lasts: None, renewal: None }, name.to_owned(), lasts)
    }

    #[tokio::test]
    async fn a_session_is_found_by_its_id_until_it_is_ended() {
        let sessions = Sessions::new(NonZeroUsize::MIN);
        let id = sessions.start(session("ann", HOUR));
        let found = sessions.find(&id).expect("it is kept");
        assert_eq!(found.name, "ann");
        assert!(sessions.find("").is_none() && sessions.find(&found.form_token).is_none());
        sessions.end(&id);
        assert!(sessions.find(&id).is_none());
        found.over().await;
    }

    #[tokio::test]
    async fn sessions_are_bounded_in_number_and_age() {
        let sessions = Sessions::new(NonZeroUsize::new(2).expect("not zero"));
        let [first, second] = ["one", "two"].map(|name| sessions.start(session(name, HOUR)));
        let evicted = sessions.find(&second).expect("it is kept");
        sessions.find(&first).expect("it is used again");
        let third = sessions.start(session("three", HOUR));
        evicted.over().await;
        assert!(sessions.find(&first).is_some() && sessions.find(&third).is_some());
        assert!(sessions.find(&second).is_none(), "it was not used for longest");
        let over = sessions.start(session("over", Duration::ZERO));
        assert!(sessions.find(&over).is_none());
    }

    #[test]
    fn debug_shows_no_secret() {
        let session = session("ann", HOUR);
        let shown = format!("{session:?}");
        assert!(shown.contains("ann"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains(&session.form_token), "{shown}");
    }
}
