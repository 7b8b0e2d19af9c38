//! A bare MQTT 3.1.1 client that says exactly what a story tells it, byte by byte.
//!
//! For stories about when an acknowledgement comes; it keeps no state of its own and checks nothing. Real
//! client libraries are peers in other stories.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A packet that the broker sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    ConnAck { session_present: bool, code: u8 },
    PubAck(u16),
    PubRec(u16),
    PubComp(u16),
    Other(u8),
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects and is accepted; the error says what the network or the broker said instead.
    pub(crate) async fn connect(address: SocketAddr, client_id: &str, clean: bool) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let mut client = Self { stream };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, u8::from(clean) << 1, 0, 60];
        put_text(&mut body, client_id);
        client.send(0x10, &body).await?;
        match client.next().await? {
            Said::ConnAck { code: 0, .. } => Ok(client),
            other => Err(format!("{other:?}")),
        }
    }

    /// PUBLISH with QoS 1 or 2.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &str, out: Out) -> Result<(), String> {
        let mut body = Vec::new();
        put_text(&mut body, topic);
        body.extend(out.id.to_be_bytes());
        body.extend(payload.as_bytes());
        self.send(0x30 | u8::from(out.again) << 3 | out.qos << 1, &body).await
    }

    /// PUBREL.
    pub(crate) async fn release(&mut self, id: u16) -> Result<(), String> {
        self.send(0x62, &id.to_be_bytes()).await
    }

    async fn send(&mut self, first: u8, body: &[u8]) -> Result<(), String> {
        let mut packet = vec![first];
        let mut length = body.len();
        loop {
            let digit = u8::try_from(length % 128).expect("below 128");
            length /= 128;
            packet.push(if length > 0 { digit | 0x80 } else { digit });
            if length == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet).await.map_err(|error| error.to_string())
    }

    /// The next packet of the broker.
    pub(crate) async fn next(&mut self) -> Result<Said, String> {
        let text = |error: std::io::Error| error.to_string();
        let first = self.stream.read_u8().await.map_err(text)?;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let digit = self.stream.read_u8().await.map_err(text)?;
            length |= usize::from(digit & 0x7f) << shift;
            shift += 7;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.map_err(text)?;
        let id = || u16::from_be_bytes([body[0], body[1]]);
        Ok(match first >> 4 {
            2 => Said::ConnAck { session_present: body[0] == 1, code: body[1] },
            4 => Said::PubAck(id()),
            5 => Said::PubRec(id()),
            7 => Said::PubComp(id()),
            kind => Said::Other(kind),
        })
    }
}

/// How a PUBLISH goes out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    pub(crate) qos: u8,
    pub(crate) id: u16,
    /// Sent before on another connection: the DUP flag.
    pub(crate) again: bool,
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).expect("a short text").to_be_bytes());
    body.extend(text.as_bytes());
}
