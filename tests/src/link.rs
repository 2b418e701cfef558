//! A way between two parts on which network faults are injected: slow, narrow, cut, or silent.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// What the way does with what is sent on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFault {
    /// It passes everything on.
    None,
    /// Every piece comes so much later.
    Delayed(Duration),
    /// So many bytes a second, each way.
    Narrow(u32),
    /// Every connection is reset, and so is every new one.
    Reset,
    /// Nothing passes and nobody learns of it. Afterwards everything goes on where it stopped.
    Silent,
    /// The same, for the answers only.
    Unanswered,
    /// The server's ends are closed, the client's stay open. They are reset afterwards, as by a host that
    /// comes back and knows nothing of them.
    HalfOpen,
    /// Each connection is reset after so many bytes at most, both ways together.
    Cut(u32),
}

/// A way to a port of this machine; it ends with the runtime.
pub struct Link {
    /// Where it listens, on this machine.
    pub port: u16,
    fault: watch::Sender<NetworkFault>,
    hurt: Arc<AtomicU64>,
    to: Arc<AtomicU16>,
}

/// A way whose other end is not known yet.
pub struct OpenLink {
    listener: TcpListener,
    /// Where it listens.
    pub port: u16,
}

impl OpenLink {
    /// Takes a port.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Begins to pass connections on to a port.
    pub fn lead_to(self, to: u16) -> Link {
        let (fault, seen) = watch::channel(NetworkFault::None);
        let hurt = Arc::<AtomicU64>::default();
        let hurts = Arc::clone(&hurt);
        let to = Arc::new(AtomicU16::new(to));
        let leads_to = Arc::clone(&to);
        let Self { listener, port } = self;
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let connection = Connection::new(seen.clone(), Arc::clone(&hurts));
                tokio::spawn(connection.run(client, leads_to.load(Ordering::Relaxed)));
            }
        });
        Link { port, fault, hurt, to }
    }
}

impl Link {
    /// Leads new connections to another port; open ones stay where they are.
    pub fn move_to(&self, port: u16) {
        self.to.store(port, Ordering::Relaxed);
    }

    /// The fault from now on, for open connections, too.
    pub fn inject(&self, fault: NetworkFault) {
        self.fault.send_replace(fault);
    }

    /// How many pieces and connections met a fault so far.
    pub fn hurt(&self) -> u64 {
        self.hurt.load(Ordering::Relaxed)
    }
}

/// Whether a piece is on its way to the server or back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// One connection.
struct Connection {
    fault: watch::Receiver<NetworkFault>,
    hurt: Arc<AtomicU64>,
    /// Bytes until it is cut.
    left: AtomicI64,
}

impl Connection {
    fn new(fault: watch::Receiver<NetworkFault>, hurt: Arc<AtomicU64>) -> Self {
        let most = match *fault.borrow() {
            NetworkFault::Cut(most) => most,
            _ => 4_096,
        };
        let left = AtomicI64::new(rand::rng().random_range(1..=i64::from(most)));
        Self { fault, hurt, left }
    }

    async fn run(self, mut client: TcpStream, to: u16) {
        if let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let mut fault = self.fault.clone();
            let ends = |fault: &NetworkFault| {
                matches!(fault, NetworkFault::Reset | NetworkFault::HalfOpen)
            };
            let turned = tokio::select! {
                cut = self.pass_both(&mut client, &mut server) => match cut {
                    Ok(true) => Some(NetworkFault::Reset),
                    Ok(false) | Err(_) => None,
                },
                turned = fault.wait_for(ends) => turned.ok().map(|fault| *fault),
            };
            match turned {
                None => return,
                Some(NetworkFault::HalfOpen) => drop(server),
                Some(_) => drop(server.set_zero_linger()),
            }
        } else if !matches!(*self.fault.borrow(), NetworkFault::HalfOpen) {
            return;
        }
        self.felt();
        let mut fault = self.fault.clone();
        // Nobody can lift the fault any more when the run is over.
        let _ = fault.wait_for(|fault| *fault != NetworkFault::HalfOpen).await;
        let _ = client.set_zero_linger();
    }

    fn felt(&self) {
        self.hurt.fetch_add(1, Ordering::Relaxed);
    }

    /// Passes on both ways until one side ends; true if the connection is cut.
    async fn pass_both(&self, client: &mut TcpStream, server: &mut TcpStream) -> io::Result<bool> {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            ended = self.pass(from_client, to_server, Way::There) => ended,
            ended = self.pass(from_server, to_client, Way::Back) => ended,
        }
    }

    async fn pass(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        way: Way,
    ) -> io::Result<bool> {
        let mut bytes = vec![0; 1 << 14];
        loop {
            let read = from.read(&mut bytes).await?;
            if read == 0 {
                return Ok(false);
            }
            let piece = &bytes[..read];
            let fault = *self.fault.borrow();
            if fault != NetworkFault::None {
                self.felt();
            }
            match fault {
                NetworkFault::None | NetworkFault::Reset | NetworkFault::HalfOpen => {}
                NetworkFault::Delayed(by) => sleep(by).await,
                NetworkFault::Narrow(rate) => {
                    sleep(Duration::from_secs_f64(read as f64 / f64::from(rate))).await;
                }
                NetworkFault::Silent => self.wait_while(NetworkFault::Silent).await,
                NetworkFault::Unanswered if way == Way::Back => {
                    self.wait_while(NetworkFault::Unanswered).await;
                }
                NetworkFault::Unanswered => {}
                NetworkFault::Cut(_) => {
                    let left = self.left.fetch_sub(read as i64, Ordering::Relaxed);
                    if left <= read as i64 {
                        to.write_all(&piece[..usize::try_from(left.max(0)).unwrap_or(0)]).await?;
                        return Ok(true);
                    }
                }
            }
            to.write_all(piece).await?;
        }
    }

    async fn wait_while(&self, fault: NetworkFault) {
        let mut seen = self.fault.clone();
        let _ = seen.wait_for(|now| *now != fault).await;
    }
}
