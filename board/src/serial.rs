//! Serial ports by name, over tokio-serial.
//!
//! Opens; speaks no protocol. The same for a real port, an adapter and a pseudo-terminal. A port is taken
//! exclusively, so that two programs do not read half a message each.

use sitewarden_core::error::chain;
use tokio_serial::{SerialPort as _, SerialPortBuilderExt as _, SerialStream};

use crate::backend::InputError;
use crate::file::Serial;

/// Opens a serial port: eight bits, no parity, one stop bit. Needs a tokio runtime.
///
/// # Errors
/// When it is not there, is taken, or is no serial port.
pub fn open(port: &Serial) -> Result<SerialStream, InputError> {
    let path = port.path.display().to_string();
    let what = format!("the serial port {} ({path})", port.name);
    if !port.path.exists() {
        return Err(InputError::Missing { what });
    }
    let mut stream = tokio_serial::new(path, port.baud)
        .open_native_async()
        .map_err(|error| InputError::Failed { what: what.clone(), cause: chain(&error) })?;
    stream.set_exclusive(true).map_err(|error| InputError::Failed { what, cause: chain(&error) })?;
    Ok(stream)
}

/// Whether the device file is there.
#[must_use]
pub fn is_there(port: &Serial) -> bool {
    port.path.exists()
}

/// A port that is open, for whoever wants to say which it is.
#[must_use]
pub fn name(stream: &SerialStream) -> Option<String> {
    stream.name()
}
