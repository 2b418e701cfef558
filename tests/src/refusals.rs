//! A way to a broker on which requests are answered with errors, as a broker in trouble answers them. The broker
//! behind it is a real one: it may have done what was asked, or not.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader, ResponseKind,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes of a request or an answer.
const FRAME_MAX: usize = 64 << 20;

/// How some requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The broker did what was asked, and its answer says that it did not.
    Done(ApiKey, ResponseError),
    /// The broker never learns of records to append.
    Unsent(ResponseError),
    /// The broker did what was asked, and wants to be left alone for so long.
    Throttled(Duration),
}

impl Refusal {
    fn concerns(self) -> ApiKey {
        match self {
            Self::Done(api, _) => api,
            Self::Unsent(_) | Self::Throttled(_) => ApiKey::Produce,
        }
    }
}

/// The refusals of now, with the number of requests that each concerned.
type Refusals = Arc<Mutex<HashMap<i16, (Refusal, u64)>>>;

/// A way to a broker; it ends with the runtime.
pub struct RefusingWay {
    /// Where it listens, on this machine.
    pub port: u16,
    refusals: Refusals,
    refused: Arc<AtomicU64>,
}

impl RefusingWay {
    /// Leads from a free port to this one.
    pub async fn lead_to(to: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (refusals, refused) = (Refusals::default(), Arc::<AtomicU64>::default());
        let way = Self { port, refusals: Arc::clone(&refusals), refused: Arc::clone(&refused) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (refusals, refused) = (Arc::clone(&refusals), Arc::clone(&refused));
                tokio::spawn(async move {
                    // A side that hangs up ends the other.
                    let _ = connect(client, to, &refusals, &refused).await;
                });
            }
        });
        Ok(way)
    }

    /// From now on, every second request that one of these concerns is answered like this; no other one is.
    pub fn refuse(&self, refusals: &[Refusal]) {
        let all = refusals.iter().map(|one| (one.concerns() as i16, (*one, 0)));
        *lock(&self.refusals) = all.collect();
    }

    /// How many requests were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

fn lock(refusals: &Refusals) -> std::sync::MutexGuard<'_, HashMap<i16, (Refusal, u64)>> {
    refusals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next answer of a connection: answers come in the order of the requests.
enum Answer {
    FromBroker,
    /// The broker's, changed.
    Changed {
        version: i16,
        refusal: Refusal,
    },
    /// One that the broker does not know of.
    Ours(Bytes),
}

async fn connect(
    mut client: TcpStream,
    to: u16,
    refusals: &Refusals,
    refused: &AtomicU64,
) -> anyhow::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", to)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let (expect, expected) = unbounded_channel();
    tokio::select! {
        ended = pass_requests(from_client, to_server, &expect, refusals, refused) => ended,
        ended = pass_answers(from_server, to_client, expected) => ended,
    }
}

async fn pass_requests(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    expect: &UnboundedSender<Answer>,
    refusals: &Refusals,
    refused: &AtomicU64,
) -> anyhow::Result<()> {
    loop {
        let request = read_frame(&mut client).await?;
        let mut start = request.clone();
        let (api, version) = (start.try_get_i16()?, start.try_get_i16()?);
        let answer = match next_refusal(refusals, api) {
            None => Answer::FromBroker,
            Some(refusal) => {
                refused.fetch_add(1, Ordering::Relaxed);
                match refusal {
                    Refusal::Unsent(error) => {
                        Answer::Ours(unsent(request.clone(), version, error)?)
                    }
                    refusal => Answer::Changed { version, refusal },
                }
            }
        };
        let is_ours = matches!(answer, Answer::Ours(_));
        expect.send(answer)?;
        if !is_ours {
            write_frame(&mut server, &request).await?;
        }
    }
}

async fn pass_answers(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    mut expected: UnboundedReceiver<Answer>,
) -> anyhow::Result<()> {
    while let Some(answer) = expected.recv().await {
        let answer = match answer {
            Answer::Ours(answer) => answer,
            Answer::FromBroker => read_frame(&mut server).await?,
            Answer::Changed { version, refusal } => {
                changed(read_frame(&mut server).await?, version, refusal)?
            }
        };
        write_frame(&mut client, &answer).await?;
    }
    Ok(())
}

/// How to answer the next request of this kind: every second one of those that are refused.
fn next_refusal(refusals: &Refusals, api: i16) -> Option<Refusal> {
    let mut refusals = lock(refusals);
    let (refusal, concerned) = refusals.get_mut(&api)?;
    *concerned += 1;
    (*concerned % 2 == 1).then_some(*refusal)
}

async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<Bytes> {
    let len = usize::try_from(from.read_i32().await?)?;
    anyhow::ensure!(len <= FRAME_MAX, "a message of {len} bytes");
    let mut frame = vec![0; len];
    from.read_exact(&mut frame).await?;
    Ok(frame.into())
}

async fn write_frame(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> anyhow::Result<()> {
    let mut message = BytesMut::with_capacity(frame.len() + 4);
    message.put_i32(i32::try_from(frame.len())?);
    message.put_slice(frame);
    to.write_all(&message).await?;
    Ok(())
}

/// The answer to records that are not passed on.
fn unsent(mut request: Bytes, version: i16, error: ResponseError) -> anyhow::Result<Bytes> {
    let header =
        RequestHeader::decode(&mut request, ApiKey::Produce.request_header_version(version))?;
    let asked = ProduceRequest::decode(&mut request, version)?;
    let topics = asked.topic_data.into_iter().map(|topic| {
        let refused = topic.partition_data.iter().map(|partition| {
            PartitionProduceResponse::default()
                .with_index(partition.index)
                .with_error_code(error.code())
                .with_base_offset(-1)
        });
        TopicProduceResponse::default()
            .with_name(topic.name)
            .with_topic_id(topic.topic_id)
            .with_partition_responses(refused.collect())
    });
    let answer = ProduceResponse::default().with_responses(topics.collect());
    encoded(header.correlation_id, &ResponseKind::Produce(answer), ApiKey::Produce, version)
}

/// The broker's answer, as a refusal.
fn changed(mut answer: Bytes, version: i16, refusal: Refusal) -> anyhow::Result<Bytes> {
    let api = refusal.concerns();
    let header = ResponseHeader::decode(&mut answer, api.response_header_version(version))?;
    let mut response = ResponseKind::decode(api, &mut answer, version)?;
    match refusal {
        Refusal::Throttled(time) => {
            let ResponseKind::Produce(produced) = &mut response else {
                anyhow::bail!("{api:?} is not throttled here");
            };
            produced.throttle_time_ms = i32::try_from(time.as_millis())?;
        }
        Refusal::Done(_, error) | Refusal::Unsent(error) => set_error(&mut response, error.code())
            .with_context(|| format!("{api:?} has no error here"))?,
    }
    encoded(header.correlation_id, &response, api, version)
}

/// Puts an error wherever this kind of answer has one.
fn set_error(response: &mut ResponseKind, code: i16) -> Option<()> {
    match response {
        ResponseKind::Produce(answer) => {
            let topics = answer.responses.iter_mut();
            for partition in topics.flat_map(|topic| &mut topic.partition_responses) {
                (partition.error_code, partition.base_offset) = (code, -1);
            }
        }
        ResponseKind::Fetch(answer) => {
            let topics = answer.responses.iter_mut();
            for partition in topics.flat_map(|topic| &mut topic.partitions) {
                (partition.error_code, partition.records) = (code, None);
            }
        }
        ResponseKind::ListOffsets(answer) => {
            let topics = answer.topics.iter_mut();
            topics.flat_map(|topic| &mut topic.partitions).for_each(|one| one.error_code = code);
        }
        ResponseKind::OffsetCommit(answer) => {
            let topics = answer.topics.iter_mut();
            topics.flat_map(|topic| &mut topic.partitions).for_each(|one| one.error_code = code);
        }
        ResponseKind::Metadata(answer) => {
            let topics = answer.topics.iter_mut();
            topics.flat_map(|topic| &mut topic.partitions).for_each(|one| one.error_code = code);
        }
        ResponseKind::FindCoordinator(answer) => {
            answer.error_code = code;
            answer.coordinators.iter_mut().for_each(|one| one.error_code = code);
        }
        ResponseKind::JoinGroup(answer) => answer.error_code = code,
        ResponseKind::SyncGroup(answer) => answer.error_code = code,
        ResponseKind::Heartbeat(answer) => answer.error_code = code,
        ResponseKind::InitProducerId(answer) => answer.error_code = code,
        _ => return None,
    }
    Some(())
}

fn encoded(
    correlation_id: i32,
    response: &ResponseKind,
    api: ApiKey,
    version: i16,
) -> anyhow::Result<Bytes> {
    let mut bytes = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut bytes, api.response_header_version(version))?;
    response.encode(&mut bytes, version)?;
    Ok(bytes.freeze())
}
