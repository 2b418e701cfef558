//! Stands between a service and Postgres, and loses what is asked to be lost.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is lost, together with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The next statement, on its way there.
    Statement,
    /// The answer to the next statement, which was executed.
    Answer,
}

/// A way to Postgres; it ends with the test's runtime.
pub struct Proxy {
    /// Where it listens, on this machine.
    pub port: u16,
    next: Arc<Mutex<Option<Loss>>>,
}

impl Proxy {
    /// Begins to pass connections on to a port of this machine. Losses concern only those in whose
    /// first words `whose` stands.
    pub async fn start(to: u16, whose: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let next = Arc::new(Mutex::new(None));
        let losses = Arc::clone(&next);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, to, whose, Arc::clone(&losses)));
            }
        });
        Self { port, next }
    }

    /// Loses this the next time there is such a thing.
    pub fn lose(&self, loss: Loss) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(loss);
    }
}

/// Passes on both ways until one side ends, or something is to be lost.
async fn pass_on(
    mut client: TcpStream,
    to: u16,
    whose: &str,
    next: Arc<Mutex<Option<Loss>>>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", to)).await?;
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut is_concerned = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                let loss = || next.lock().unwrap_or_else(PoisonError::into_inner).take();
                match is_concerned.then(loss).flatten() {
                    None => server.write_all(bytes).await?,
                    Some(Loss::Statement) => return Ok(()),
                    Some(Loss::Answer) => {
                        server.write_all(bytes).await?;
                        // It is executed when the answer begins.
                        return server.read(&mut answered).await.map(drop);
                    }
                }
                is_concerned |= bytes.windows(whose.len()).any(|text| text == whose.as_bytes());
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                client.write_all(bytes).await?;
            }
        }
    }
}
