//! What a request still had to say when its answer was ready is read, so that its connection can take the next request.
//!
//! Most refusals (no session, unknown path, wrong type) are decided on the head alone. The rest of the body is then on its
//! way; a server that closes instead breaks the client's next request, which it has already sent on the same connection
//! (RFC 9112 §9.6). Not for what never ends: above [`REST_BYTES`] or [`REST_TIME`] the answer says `Connection: close`.
//! HTTP/2 has streams of its own and needs none of it.

pub mod limits;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, Version, header};
use http_body::{Body as _, Frame, SizeHint};

use limits::{REST_BYTES, REST_TIME};

/// Where a body lands when nobody reads it any more.
type Back = Arc<Mutex<Option<Body>>>;

/// A body that comes back when it is dropped.
struct Lent {
    body: Body,
    back: Back,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}

/// The layer, for `axum::middleware::from_fn`; the outermost of those that may answer.
pub async fn layer(request: Request, next: Next) -> Response {
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Such a client waits for leave to send, so nothing is on its way, and reading would give the leave.
    let waits = request.headers().contains_key(header::EXPECT);
    let back = Back::default();
    let lent = Arc::clone(&back);
    let mut response = next.run(request.map(|body| Body::new(Lent { body, back: lent }))).await;
    let rest = back.lock().unwrap_or_else(PoisonError::into_inner).take();
    let whole = match rest {
        Some(rest) if rest.is_end_stream() => true,
        Some(rest) => !waits && tokio::time::timeout(REST_TIME, read(rest)).await == Ok(true),
        // Still being read by whoever answers.
        None => true,
    };
    if !whole {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads to the end; false when it is too long or breaks.
async fn read(mut body: Body) -> bool {
    let mut bytes = 0;
    loop {
        match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
        }
        if bytes > REST_BYTES {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A body of which nothing ever comes.
    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }

    /// A server that decides on the head alone, and a connection to it.
    async fn connected() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let routes = Router::new().route("/", post(async || "no")).layer(axum::middleware::from_fn(layer));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        TcpStream::connect(address).await.expect("connected")
    }

    /// Sends a head, waits for what `read` says after the body, and gives the answer's head.
    async fn ask(stream: &mut TcpStream, head: &str, body: &[u8]) -> String {
        let head = format!("POST / HTTP/1.1\r\nHost: box\r\n{head}\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.flush().await.expect("sent");
        // In a packet of its own, after the server has had its turn.
        tokio::task::yield_now().await;
        stream.write_all(body).await.expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nno") {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.expect("an answer");
            answer.extend_from_slice(&byte);
        }
        String::from_utf8(answer).expect("text").to_lowercase()
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_does_not_break_the_next_request() {
        let mut stream = connected().await;
        for round in 0..200 {
            let answer = ask(&mut stream, "Content-Length: 5\r\n", b"hello").await;
            assert!(answer.starts_with("http/1.1 200"), "round {round}: {answer}");
            assert!(!answer.contains("connection: close"), "round {round}: {answer}");
        }
    }

    #[tokio::test]
    async fn what_is_too_long_to_be_read_is_answered_with_the_end_of_the_connection() {
        let mut stream = connected().await;
        let head = format!("Content-Length: {}\r\n", 1_u64 << 40);
        let answer = ask(&mut stream, &head, &vec![b'x'; REST_BYTES + 1]).await;
        assert!(answer.contains("connection: close"), "{answer}");
    }

    #[tokio::test]
    async fn a_client_that_asks_for_leave_gets_the_answer_instead() {
        let mut stream = connected().await;
        let answer = ask(&mut stream, "Content-Length: 5\r\nExpect: 100-continue\r\n", b"").await;
        assert!(answer.starts_with("http/1.1 200") && answer.contains("connection: close"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_delays_its_own_answer_alone() {
        let body = Body::new(Never);
        let routes = Router::new().route("/", post(async || "no")).layer(axum::middleware::from_fn(layer));
        let request = Request::post("/").body(body).expect("a request");
        let answer = tower::ServiceExt::oneshot(routes, request).await.expect("an answer");
        assert_eq!(answer.headers()[header::CONNECTION], "close");
    }
}
