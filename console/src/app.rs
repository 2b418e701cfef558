//! The console as a whole: starts it, and stops it in order.

use service_edge::callers::Callers;
use service_edge::parts::Parts;
use service_edge::server::Server;
use service_edge::sign_in::SignIn as CallerSignIn;
use service_edge::{process, recorder};

use crate::config::ServeConfig;
use crate::router;
use crate::services::Services;
use crate::sign_in::SignIn;

/// Serves the pages until a signal.
///
/// # Errors
/// The address cannot be listened on, or not with these settings.
pub async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let shutdown = process::shutdown_on_signal()?;
    let listener = process::listen(
        &config.listen,
        &config.sign_in(),
        &config.tls,
        "do what the services let everybody do",
    )?;
    let sign_in = SignIn::new(&config, listener.local_addr()?)?;
    // Also with sign-in: a browser sends a visitor's cookie with whatever page asks it to.
    let callers = Callers::of(&listener, config.callers.clone(), &CallerSignIn::off())?;
    let services = Services::new(&config.services)?;
    let (router, live) = router::router(services, sign_in, &callers, &config);
    let certificate = config.tls.certificate()?;
    let mut server = Server::start(listener, router, config.connections_max, certificate.clone())?;
    let mut parts = Parts::default();
    parts.spawn("metrics", recorder::upkeep());
    if let Some(certificate) = certificate {
        parts.spawn("certificate", certificate.follow());
    }
    tokio::select! {
        () = shutdown.cancelled() => {}
        ended = server.ended() => return ended,
        ended = parts.ended() => return Err(ended),
    }
    tracing::info!("stopping: pages in progress end first");
    live.cancel();
    server.stop(config.drain_timeout_ms.0).await
}
