//! Just enough MQTT 3.1.1 to make load: connect, subscribe, publish, count what comes.
//!
//! Written for this generator alone; it shares no code with the broker that it measures.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::Failure;

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        if length == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// CONNECT, clean session, keep-alive 600 s.
pub fn connect_packet(id: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, "MQTT");
    body.extend_from_slice(&[4, 2]);
    body.extend_from_slice(&600_u16.to_be_bytes());
    put_text(&mut body, id);
    let mut out = vec![0x10];
    put_length(&mut out, body.len());
    out.extend(body);
    out
}

/// PUBLISH; the packet id is written when `qos` is 1.
pub fn put_publish(out: &mut Vec<u8>, topic: &str, qos: u8, id: u16, payload: &[u8]) {
    let length = 2 + topic.len() + usize::from(qos) * 2 + payload.len();
    out.push(0x30 | qos << 1);
    put_length(out, length);
    put_text(out, topic);
    if qos > 0 {
        out.extend_from_slice(&id.to_be_bytes());
    }
    out.extend_from_slice(payload);
}

/// Opens a socket, from a given loopback address when there is one.
pub fn socket(to: SocketAddr, from: Option<IpAddr>) -> Result<TcpStream, Failure> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect(&to.into())?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// Opens a connection and waits for CONNACK.
pub fn connect(to: SocketAddr, id: &str, from: Option<IpAddr>) -> Result<TcpStream, Failure> {
    let mut stream = socket(to, from)?;
    stream.write_all(&connect_packet(id))?;
    let mut answer = [0_u8; 4];
    stream.read_exact(&mut answer)?;
    if answer[0] != 0x20 || answer[3] != 0 {
        return Err(format!("{id}: CONNACK {answer:02x?}").into());
    }
    Ok(stream)
}

/// Subscribes and waits for SUBACK.
pub fn subscribe(stream: &mut TcpStream, filter: &str, qos: u8) -> Result<(), Failure> {
    let mut out = vec![0x82];
    put_length(&mut out, 2 + 2 + filter.len() + 1);
    out.extend_from_slice(&[0, 1]);
    put_text(&mut out, filter);
    out.push(qos);
    stream.write_all(&out)?;
    let mut answer = [0_u8; 5];
    stream.read_exact(&mut answer)?;
    if answer[0] != 0x90 || answer[4] != qos {
        return Err(format!("SUBACK {answer:02x?} for {filter} with QoS {qos}").into());
    }
    Ok(())
}

/// What a connection received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    pub publishes: u64,
    pub pubacks: u64,
}

/// Splits a byte stream into packets.
#[derive(Default)]
pub struct Splitter {
    rest: Vec<u8>,
}

impl Splitter {
    /// Takes bytes; calls `publish(topic and after, qos)` for each PUBLISH and counts. `acks` gets the
    /// PUBACKs to be sent.
    pub fn take(
        &mut self,
        bytes: &[u8],
        acks: &mut Vec<u8>,
        mut publish: impl FnMut(&[u8]),
    ) -> Result<Received, Failure> {
        let mut received = Received::default();
        let joined;
        let mut input = bytes;
        if !self.rest.is_empty() {
            self.rest.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.rest);
            input = &joined;
        }
        while let Some((header, length)) = frame(input)? {
            let Some(body) = input.get(header..header + length) else { break };
            match input[0] >> 4 {
                3 => {
                    received.publishes += 1;
                    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                    let mut payload = 2 + topic;
                    if input[0] & 0x06 == 0x02 {
                        acks.extend_from_slice(&[0x40, 2, body[payload], body[payload + 1]]);
                        payload += 2;
                    }
                    publish(&body[payload..]);
                }
                4 => received.pubacks += 1,
                13 => {}
                other => return Err(format!("unexpected packet of type {other}").into()),
            }
            input = &input[header + length..];
        }
        self.rest = input.to_vec();
        Ok(received)
    }
}

/// Length of the fixed header and of the body; `None` when more bytes are needed.
fn frame(input: &[u8]) -> Result<Option<(usize, usize)>, Failure> {
    let mut length = 0_usize;
    for index in 1..5 {
        let Some(byte) = input.get(index) else { return Ok(None) };
        length |= usize::from(byte & 0x7F) << (7 * (index - 1));
        if byte & 0x80 == 0 {
            return Ok(Some((index + 1, length)));
        }
    }
    Err("length field of more than 4 bytes".into())
}
