//! The board over the API: what it shows, finding the box by its light, setting inputs of a simulated one.
//!
//! Setting inputs exists for development and the demo; on any other box the route answers that it does not. Both
//! changes are records of the site log.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use sitewarden_board::limits::LOCATE_SECONDS;
use sitewarden_board::watch::Input;
use sitewarden_board::{BoardError, Drive, Handle, Snapshot, serial};
use sitewarden_core::{Action, Permit, Resource, Timestamp};
use sitewarden_http::{ApiError, Caller, Json, Problem};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Site;

/// Longest text of a fault that is played, in characters.
const FAULT_CHARS: usize = 200;

pub(crate) fn routes(site: Site) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(board))
        .routes(routes!(locate))
        .routes(routes!(drive))
        .with_state(site)
}

/// The box's own hardware.
#[derive(Debug, Serialize, ToSchema)]
struct BoardView {
    /// What people call the board; absent when the box has none.
    title: Option<String>,
    /// `linux`, `sim`, `recorded`; absent when the box has none.
    backend: Option<&'static str>,
    /// Why the board that was asked for is not watched, or what of it fails.
    problem: Option<String>,
    /// Whether inputs may be set: a simulated board in development or the demo.
    drivable: bool,
    /// The lights.
    light: Option<BoardLight>,
    /// Contacts.
    contacts: Vec<BoardContact>,
    /// Temperatures.
    temperatures: Vec<BoardTemperature>,
    /// Fans.
    fans: Vec<BoardFan>,
    /// Serial ports.
    serial: Vec<BoardSerial>,
}

/// What the lights say.
#[derive(Debug, Serialize, ToSchema)]
struct BoardLight {
    /// `ok`, `warning`, `no-uplink`, `updating`, `locate`.
    state: &'static str,
    /// Until when it blinks to be found.
    #[schema(value_type = Option<String>, format = DateTime)]
    locate_until: Option<Timestamp>,
    /// The lights there are.
    lamps: Vec<BoardLamp>,
}

/// One light.
#[derive(Debug, Serialize, ToSchema)]
struct BoardLamp {
    /// Name.
    name: String,
    /// `green`, `amber`, `red`, `blue`, `white`.
    colour: &'static str,
    /// Why it does not work.
    error: Option<String>,
}

/// One contact.
#[derive(Debug, Serialize, ToSchema)]
struct BoardContact {
    /// Name.
    name: String,
    /// `tamper`, `door`, `button`, `power`.
    role: &'static str,
    /// Open (tamper, door), pressed (button), lost (power); absent while it is not known.
    active: Option<bool>,
    /// Since when it is so.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Why it cannot be read.
    error: Option<String>,
}

/// One temperature.
#[derive(Debug, Serialize, ToSchema)]
struct BoardTemperature {
    /// Name.
    name: String,
    /// Degrees Celsius; absent while it is not known.
    celsius: Option<f64>,
    /// From here on it is too warm.
    limit_celsius: f64,
    /// When it was measured.
    #[schema(value_type = Option<String>, format = DateTime)]
    measured: Option<Timestamp>,
    /// Why it cannot be read.
    error: Option<String>,
}

/// One fan.
#[derive(Debug, Serialize, ToSchema)]
struct BoardFan {
    /// Name.
    name: String,
    /// Revolutions per minute; absent while it is not known.
    rpm: Option<u32>,
    /// Below it the fan counts as stopped.
    minimum_rpm: u32,
    /// When it was measured.
    #[schema(value_type = Option<String>, format = DateTime)]
    measured: Option<Timestamp>,
    /// Why it cannot be read.
    error: Option<String>,
}

/// One serial port.
#[derive(Debug, Serialize, ToSchema)]
struct BoardSerial {
    /// Name.
    name: String,
    /// Device file.
    path: String,
    /// Bits per second.
    baud: u32,
    /// Whether the device file is there.
    present: bool,
}

/// Value and error of an input: while it fails, the last value does not count.
fn known<T: Copy>(input: &Input<T>) -> (Option<T>, Option<String>) {
    match &input.error {
        Some(error) => (None, Some(error.to_string())),
        None => (input.value, None),
    }
}

fn view(site: &Site) -> BoardView {
    let snapshot = site.board.snapshot();
    let description = snapshot.as_ref().map(|snapshot| &snapshot.description);
    let serial_view = |port: &sitewarden_board::file::Serial| BoardSerial {
        name: port.name.clone(),
        path: port.path.display().to_string(),
        baud: port.baud,
        present: serial::is_there(port),
    };
    BoardView {
        title: description.map(|description| description.title.clone()),
        backend: description.map(|description| description.backend.as_str()),
        problem: site.board.problem(),
        drivable: site.board.is_drivable(),
        light: snapshot.as_deref().map(light_view),
        contacts: snapshot.as_deref().map(contact_views).unwrap_or_default(),
        temperatures: snapshot.as_deref().map(temperature_views).unwrap_or_default(),
        fans: snapshot.as_deref().map(fan_views).unwrap_or_default(),
        serial: description
            .map(|description| description.serial.iter().map(serial_view).collect())
            .unwrap_or_default(),
    }
}

fn light_view(snapshot: &Snapshot) -> BoardLight {
    let lamps = snapshot.description.leds.iter().zip(&snapshot.light_errors);
    BoardLight {
        state: snapshot.state.as_str(),
        locate_until: snapshot.locate_until,
        lamps: lamps
            .map(|(led, error)| BoardLamp {
                name: led.name.clone(),
                colour: led.colour.as_str(),
                error: error.as_ref().map(ToString::to_string),
            })
            .collect(),
    }
}

fn contact_views(snapshot: &Snapshot) -> Vec<BoardContact> {
    let described = snapshot.description.contacts.iter().zip(&snapshot.contacts);
    described
        .map(|(contact, input)| {
            let (active, error) = known(input);
            let (name, role) = (contact.name.clone(), contact.role.as_str());
            BoardContact { name, role, active, since: input.since, error }
        })
        .collect()
}

fn temperature_views(snapshot: &Snapshot) -> Vec<BoardTemperature> {
    let described = snapshot.description.temperatures.iter().zip(&snapshot.temperatures);
    described
        .map(|(one, input)| {
            let (celsius, error) = known(input);
            let (name, limit_celsius) = (one.name.clone(), one.limit_celsius);
            BoardTemperature { name, celsius, limit_celsius, measured: input.since, error }
        })
        .collect()
}

fn fan_views(snapshot: &Snapshot) -> Vec<BoardFan> {
    let described = snapshot.description.fans.iter().zip(&snapshot.fans);
    described
        .map(|(fan, input)| {
            let (rpm, error) = known(input);
            let (name, minimum_rpm) = (fan.name.clone(), fan.minimum_rpm);
            BoardFan { name, rpm, minimum_rpm, measured: input.since, error }
        })
        .collect()
}

/// The box's own hardware: lights, contacts, temperatures, fans, serial ports.
#[utoipa::path(get, path = "/board", tag = "board", responses((status = 200, body = BoardView), Problem))]
async fn board(State(site): State<Site>, caller: Caller) -> Result<Json<BoardView>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::SystemRead, Resource::site())?;
    Ok(Json(view(&site)))
}

fn running(site: &Site) -> Result<Handle, ApiError> {
    site.board.handle().cloned().ok_or_else(|| {
        ApiError::conflict("no-board", "This box has no board: name one under [board] in its configuration.")
    })
}

async fn record(
    site: &Site,
    permit: Permit,
    kind: &'static str,
    body: serde_json::Value,
) -> Result<(), ApiError> {
    let action = permit.action();
    let done = site.ground.store.write("recording an act on the board", move |tx| {
        let actor = tx.spend(permit, action, &Resource::site())?;
        tx.append(&actor, kind, body).map(|_| ())
    });
    Ok(done.await?)
}

fn refused(error: &BoardError) -> ApiError {
    match error {
        BoardError::Busy => ApiError::unavailable("board-busy", error.to_string()),
        BoardError::NotSimulated(_) => ApiError::conflict("not-simulated", error.to_string()),
        BoardError::NoInput(_) | BoardError::WrongKind { .. } | BoardError::Recording(_) => {
            ApiError::unprocessable("not-an-input", error.to_string())
        }
    }
}

/// Finding the box by its light.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Locate {
    /// Seconds that the light blinks; 0 ends it.
    #[schema(minimum = 0, maximum = 3600)]
    seconds: u64,
}

/// Lets the light blink so that somebody in front of several boxes finds this one.
#[utoipa::path(post, path = "/board/locate", tag = "board", request_body = Locate,
    responses((status = 200, body = BoardView), Problem))]
async fn locate(
    State(site): State<Site>,
    caller: Caller,
    Json(asked): Json<Locate>,
) -> Result<Json<BoardView>, ApiError> {
    let permit = caller.permit(&site.ground.gate, Action::BoardLocate, Resource::site())?;
    if asked.seconds > LOCATE_SECONDS {
        let detail = format!("`seconds` is 0 to {LOCATE_SECONDS}.");
        return Err(ApiError::unprocessable("too-long", detail));
    }
    let handle = running(&site)?;
    record(&site, permit, "board.located", serde_json::json!({"seconds": asked.seconds})).await?;
    handle.locate(Duration::from_secs(asked.seconds)).await.map_err(|error| refused(&error))?;
    Ok(Json(view(&site)))
}

/// What a contact or measurement is set to.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
enum DriveValue {
    /// Of a contact.
    Active(bool),
    /// Of a temperature in degrees Celsius or of a fan in revolutions per minute.
    Number(f64),
}

/// One input of a simulated board.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DriveInput {
    /// Its name in the board file.
    input: String,
    /// What it shows from now on.
    value: Option<DriveValue>,
    /// Instead: it fails with this text.
    #[schema(max_length = 200)]
    fault: Option<String>,
}

/// Sets one input of a simulated board. Only in the demo and with `board.development`.
#[utoipa::path(post, path = "/board/drive", tag = "board", request_body = DriveInput,
    responses((status = 200, body = BoardView), Problem))]
async fn drive(
    State(site): State<Site>,
    caller: Caller,
    Json(asked): Json<DriveInput>,
) -> Result<Json<BoardView>, ApiError> {
    let permit = caller.permit(&site.ground.gate, Action::BoardDrive, Resource::site())?;
    let handle = running(&site)?;
    if !site.board.is_drivable() {
        let detail = "Only a simulated board in development can be driven, and this is not one.";
        return Err(ApiError::conflict("not-simulated", detail));
    }
    let body = serde_json::json!({"input": asked.input, "value": asked.value, "fault": asked.fault});
    let to = match (asked.value, asked.fault) {
        (Some(DriveValue::Active(active)), None) => Drive::Active(active),
        (Some(DriveValue::Number(number)), None) => Drive::Number(number),
        (None, Some(fault)) if fault.chars().count() <= FAULT_CHARS => Drive::Fault(fault),
        _ => {
            let detail = format!("Either `value`, or `fault` of at most {FAULT_CHARS} characters.");
            return Err(ApiError::unprocessable("value-or-fault", detail));
        }
    };
    trial(&handle.snapshot(), &asked.input, to.clone()).map_err(|error| refused(&error))?;
    record(&site, permit, "board.driven", body).await?;
    handle.drive(asked.input, to).await.map_err(|error| refused(&error))?;
    Ok(Json(view(&site)))
}

/// Tries it on a board beside, so that the log has no act that was refused.
fn trial(snapshot: &Arc<Snapshot>, input: &str, to: Drive) -> Result<(), BoardError> {
    sitewarden_board::sim::Sim::new(&snapshot.description).set(input, to)
}
