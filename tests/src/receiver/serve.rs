//! Accepting connections, and answering as scripted.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;

use super::connection::Shared;
use super::recording::lock;
use super::reply::{Answer, Body, End, Raw};
use super::{Recording, Reply, Request, State};

type Response = hyper::Response<Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>>;

/// Nothing more is to be written: the connection ends.
#[derive(Debug)]
struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script ended the connection")
    }
}

impl std::error::Error for Ended {}

/// Serves until the sender of `ended` is dropped.
pub(super) async fn run(listener: TcpListener, state: Arc<State>, mut ended: watch::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("receiver: {error}");
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ended.changed() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                // Without it, answers wait for the client's delayed acknowledgements.
                let _ = stream.set_nodelay(true);
                let number = state.connections.fetch_add(1, SeqCst) + 1;
                tokio::spawn(converse(Shared::new(stream), number, Arc::clone(&state)));
            }
            // Out of file descriptors, say: connections that end free some.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn converse(connection: Shared, number: u64, state: Arc<State>) {
    let io = TokioIo::new(connection.clone());
    let service =
        service_fn(move |request| answer(request, connection.clone(), number, Arc::clone(&state)));
    // A connection that the script or the client broke: the tests look at the other side.
    let _ = http1::Builder::new().serve_connection(io, service).await;
}

async fn answer(
    request: hyper::Request<Incoming>,
    connection: Shared,
    number: u64,
    state: Arc<State>,
) -> Result<Response, Ended> {
    let route = state.route(request.uri().path());
    let _in_flight = route.enter();
    let mut request = receive(request, number, state.recording).await?;
    request.nth = route.arrived.fetch_add(1, SeqCst);
    let secret = lock(&route.secret).clone();
    request.signatures = secret.map(|secret| request.verify(&secret));
    let script = lock(&route.script).clone();
    state.record(&request);
    let reply = script.map_or_else(Reply::ok, |script| script(&request));
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    match reply.answer {
        Answer::Http {
            status,
            headers,
            body,
        } => {
            if let Some(note) = &reply.answered {
                note.take();
            }
            Ok(respond(status, headers, body, &state))
        }
        Answer::Raw(raw) => {
            if let Some(note) = &reply.answered {
                note.take();
            }
            Err(write_raw(raw, &connection, &state).await)
        }
    }
}

async fn receive(
    request: hyper::Request<Incoming>,
    connection: u64,
    recording: Recording,
) -> Result<Request, Ended> {
    let (head, mut body) = request.into_parts();
    let body = if recording != Recording::Count {
        body.collect().await.map_err(|_| Ended)?.to_bytes()
    } else {
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| Ended)?;
        }
        Bytes::new()
    };
    Ok(Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
        nth: 0,
        connection,
        arrived: Instant::now(),
        arrived_at: SystemTime::now(),
        signatures: None,
    })
}

fn respond(
    status: StatusCode,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
    state: &Arc<State>,
) -> Response {
    let body = match body {
        Body::Whole(bytes) => {
            state.bytes_sent.fetch_add(bytes.len() as u64, SeqCst);
            Either::Left(Full::new(bytes))
        }
        Body::Chunks {
            chunk,
            every,
            times,
        } => Either::Right(chunks(chunk, every, times, Arc::clone(state))),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    add_headers(response.headers_mut(), headers);
    response
}

fn add_headers(map: &mut HeaderMap, headers: Vec<(String, Vec<u8>)>) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name),
            HeaderValue::from_maybe_shared(Bytes::from(value)),
        ) {
            map.append(name, value);
        }
    }
}

fn chunks(
    chunk: Bytes,
    every: Duration,
    times: Option<u64>,
    state: Arc<State>,
) -> UnsyncBoxBody<Bytes, Infallible> {
    let body = stream::unfold(0, move |sent| {
        let (chunk, state) = (chunk.clone(), Arc::clone(&state));
        async move {
            if times.is_some_and(|times| sent >= times) {
                return None;
            }
            if every.is_zero() {
                // Others on this thread get their turn.
                tokio::task::yield_now().await;
            } else if sent > 0 {
                tokio::time::sleep(every).await;
            }
            state.bytes_sent.fetch_add(chunk.len() as u64, SeqCst);
            Some((Ok(Frame::data(chunk)), sent + 1))
        }
    });
    UnsyncBoxBody::new(StreamBody::new(body))
}

/// Writes bytes past hyper. Returning makes hyper drop the connection, which closes or resets it.
async fn write_raw(raw: Raw, connection: &Shared, state: &State) -> Ended {
    let write = async |bytes: &Bytes| {
        connection.write_all(bytes).await.map_err(|_| Ended)?;
        state.bytes_sent.fetch_add(bytes.len() as u64, SeqCst);
        Ok::<_, Ended>(())
    };
    if write(&raw.bytes).await.is_err() {
        return Ended;
    }
    if let Some((endless, every)) = &raw.endless {
        while write(endless).await.is_ok() {
            if !every.is_zero() {
                tokio::time::sleep(*every).await;
            }
        }
        return Ended;
    }
    match raw.end {
        End::Close => {}
        End::Reset => {
            // Without it the close is an ordinary one; the test's own assertion then tells.
            let _ = connection.reset_on_close();
        }
        // hyper drops this future when the client hangs up.
        End::Hang => std::future::pending().await,
    }
    Ended
}
