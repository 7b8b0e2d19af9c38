//! A serial port: opened, served, and opened again when it went.
//!
//! A port that is not there yet is no error: adapters are plugged in later. Invariant: the pause before the next try
//! grows to its bound, whatever the port does, unless the line was well for a while.

use std::sync::Arc;

use tokio::time::sleep;
use tokio_serial::SerialPortBuilderExt as _;

use super::drive::drive;
use super::session::Session;
use super::{LineConfig, Shared};
use crate::agents::agent::Transport;
use crate::agents::told::Place;
use crate::limits::{LINE_REOPEN, LINE_WELL};

pub(super) async fn serve(shared: Arc<Shared>, line: LineConfig) {
    let name: Arc<str> = line.path.display().to_string().into();
    let place = Place { transport: Transport::Serial, line: Arc::clone(&name) };
    let (first, longest) = LINE_REOPEN;
    let (mut pause, mut told) = (first, false);
    loop {
        match tokio_serial::new(&*name, line.baud).open_native_async() {
            Ok(mut port) => {
                tracing::info!(line = &*name, baud = line.baud, "an agents' line is open");
                told = false;
                let began = shared.now().mono;
                let mut session = Session::new(Arc::clone(&shared), place.clone());
                let end = Box::pin(drive(&mut port, &mut session, None, || ())).await;
                session.close();
                tracing::warn!(line = &*name, %end, "an agents' line ended; it is opened again");
                if shared.now().mono.since(began) >= LINE_WELL {
                    pause = first;
                }
            }
            Err(error) if !told => {
                told = true;
                tracing::warn!(line = &*name, %error, "an agents' line cannot be opened; it is tried again");
            }
            Err(_) => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}
