//! MQTT as bare bytes, for what no client library would send, and for reading every byte of the answer.
//!
//! Builds packets field by field, also wrong ones, and reads whole packets back. Knows no rule of the protocol.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::wait::LIMIT;

/// A text with its length in front.
pub(crate) fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let mut bytes = u16::try_from(text.len()).expect("a short text").to_be_bytes().to_vec();
    bytes.extend(text);
    bytes
}

/// A variable byte integer.
pub(crate) fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let digit = u8::try_from(value % 128).expect("below 128");
        value /= 128;
        bytes.push(if value > 0 { digit | 0x80 } else { digit });
        if value == 0 {
            return bytes;
        }
    }
}

/// First byte, length, body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first], &*variable(body.len()), body].concat()
}

/// CONNECT of a level with these flags and properties (5.0), then the payload's fields.
pub(crate) fn connect(level: u8, flags: u8, keep_alive: u16, properties: &[u8], fields: &[&[u8]]) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend([level, flags]);
    body.extend(keep_alive.to_be_bytes());
    if level == 5 {
        body.extend(variable(properties.len()));
        body.extend(properties);
    }
    body.extend(fields.concat());
    packet(0x10, &body)
}

/// PUBLISH of a level; a packet id when the flags say QoS above 0.
pub(crate) fn publish(
    level: u8,
    flags: u8,
    topic: impl AsRef<[u8]>,
    id: u16,
    properties: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut body = text(topic);
    if flags & 0x06 != 0 {
        body.extend(id.to_be_bytes());
    }
    if level == 5 {
        body.extend(variable(properties.len()));
        body.extend(properties);
    }
    body.extend(payload);
    packet(0x30 | flags, &body)
}

/// SUBSCRIBE of a level with filters and their options.
pub(crate) fn subscribe(level: u8, id: u16, properties: &[u8], filters: &[(&[u8], u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if level == 5 {
        body.extend(variable(properties.len()));
        body.extend(properties);
    }
    for (filter, options) in filters {
        body.extend(text(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

/// UNSUBSCRIBE of a level.
pub(crate) fn unsubscribe(level: u8, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if level == 5 {
        body.push(0);
    }
    for filter in filters {
        body.extend(text(filter));
    }
    packet(0xa2, &body)
}

/// A connection of bytes.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A packet of the broker: first byte and body.
pub(crate) type Heard = (u8, Vec<u8>);

impl Wire {
    /// Opens the connection and says nothing.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the broker listens");
        stream.set_nodelay(true).expect("a TCP option");
        Self { stream, read: Vec::new() }
    }

    /// Connects with a clean start and is accepted; gives the CONNACK's body.
    pub(crate) async fn online(address: SocketAddr, level: u8, id: &str) -> Self {
        Self::online_with(address, connect(level, 2, 60, &[], &[&text(id)])).await.0
    }

    /// Connects with this CONNECT and is accepted.
    pub(crate) async fn online_with(address: SocketAddr, connect: Vec<u8>) -> (Self, Vec<u8>) {
        let mut wire = Self::open(address).await;
        wire.send(&connect).await;
        let (first, body) = wire.packet().await;
        assert_eq!((first, body[1]), (0x20, 0), "CONNACK {body:?}");
        (wire, body)
    }

    /// Sends; that the broker has closed already is no fault of the story.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next packet.
    ///
    /// # Panics
    /// When the broker closes, or nothing comes.
    pub(crate) async fn packet(&mut self) -> Heard {
        self.next().await.expect("a packet before the end")
    }

    /// The next packet, or `None` when the broker has closed.
    ///
    /// # Panics
    /// When nothing comes.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        self.within(LIMIT).await.expect("the broker says something or closes")
    }

    /// The next packet or the end; `Err` when nothing came in time.
    pub(crate) async fn within(
        &mut self,
        limit: Duration,
    ) -> Result<Option<Heard>, tokio::time::error::Elapsed> {
        tokio::time::timeout(limit, async {
            loop {
                if let Some(packet) = self.take() {
                    return Some(packet);
                }
                self.read.reserve(16 * 1024);
                match self.stream.read_buf(&mut self.read).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    fn take(&mut self) -> Option<Heard> {
        let (mut length, mut end) = (0_usize, 1);
        for shift in 0..4 {
            let digit = *self.read.get(end)?;
            length |= usize::from(digit & 0x7f) << (7 * shift);
            end += 1;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let body = self.read.get(end..end + length)?.to_vec();
        let first = self.read[0];
        self.read.drain(..end + length);
        Some((first, body))
    }

    /// Everything until the broker closes.
    pub(crate) async fn until_closed(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(packet) = self.next().await {
            heard.push(packet);
        }
        heard
    }

    /// Sends PINGREQ and gives what came before its answer: by then everything said before was handled.
    pub(crate) async fn pinged(&mut self) -> Vec<Heard> {
        self.send(&[0xc0, 0]).await;
        let mut heard = Vec::new();
        loop {
            match self.packet().await {
                (0xd0, _) => return heard,
                packet => heard.push(packet),
            }
        }
    }
}

#[test]
fn packets_are_built_field_by_field() {
    assert_eq!(variable(321), [0xc1, 2]);
    assert_eq!(publish(5, 2, "a", 7, &[1, 1], b"x"), [0x32, 9, 0, 1, b'a', 0, 7, 2, 1, 1, b'x']);
    assert_eq!(connect(4, 2, 1, &[], &[&text("c")])[..4], [0x10, 13, 0, 4]);
}
