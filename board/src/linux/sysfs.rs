//! Values that the kernel shows as small files: hardware monitors, thermal zones, the LED class.
//!
//! Chips are found by name at every look, because their numbers change when a driver is loaded again. What a
//! file says is data: too long, not a number or gone is told, never trusted.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::backend::{ContactState, InputError};
use crate::file::{Hwmon, Intrusion};
use crate::limits::{SYSFS_BYTES, SYSFS_ENTRIES};

/// Degrees Celsius of `tempN_input`, which has thousandths.
pub(super) fn temperature(root: &Path, hwmon: &Hwmon) -> Result<f64, InputError> {
    let file = chip(root, &hwmon.chips)?.join(format!("temp{}_input", hwmon.channel));
    Ok(number(&file)? / 1_000.0)
}

/// Degrees Celsius of the thermal zone of that type.
pub(super) fn thermal_zone(root: &Path, zone: &str) -> Result<f64, InputError> {
    let found = entries(&root.join("sys/class/thermal"))
        .into_iter()
        .find(|entry| text(&entry.join("type")).is_ok_and(|kind| kind == zone));
    let found = found.ok_or_else(|| InputError::Missing { what: format!("the thermal zone {zone}") })?;
    Ok(number(&found.join("temp"))? / 1_000.0)
}

/// Revolutions per minute of `fanN_input`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
pub(super) fn fan(root: &Path, hwmon: &Hwmon) -> Result<u32, InputError> {
    let file = chip(root, &hwmon.chips)?.join(format!("fan{}_input", hwmon.channel));
    let rpm = number(&file)?;
    if (0.0..=1_000_000.0).contains(&rpm) {
        Ok(rpm as u32)
    } else {
        Err(InputError::NoValue { what: file.display().to_string(), said: rpm.to_string() })
    }
}

/// Chassis intrusion. The chip latches it: 1 stays until 0 is written, so that also an opening while the box
/// was off is seen. Read, then written back, so that the next opening shows again.
pub(super) fn intrusion(root: &Path, intrusion: &Intrusion) -> Result<ContactState, InputError> {
    let name = format!("intrusion{}_alarm", intrusion.index);
    let folder = if intrusion.chip == "*" {
        let all = entries(&root.join("sys/class/hwmon"));
        all.into_iter().find(|entry| entry.join(&name).exists())
    } else {
        Some(chip(root, std::slice::from_ref(&intrusion.chip))?)
    };
    let folder = folder.ok_or_else(|| InputError::Missing {
        what: format!("a hardware monitor with chassis intrusion ({name})"),
    })?;
    let file = folder.join(name);
    let active = number(&file)? != 0.0;
    if active {
        write(&file, "0")?;
    }
    Ok(ContactState { active, was_active: active })
}

/// Switches a light of the LED class. Its trigger is taken away first: else the kernel blinks it for the disk.
pub(super) fn light(root: &Path, class: &str, on: bool) -> Result<(), InputError> {
    let folder = root.join("sys/class/leds").join(class);
    if !folder.is_dir() {
        return Err(InputError::Missing { what: format!("the light {class}") });
    }
    let trigger = folder.join("trigger");
    if trigger.exists() && !text(&trigger).is_ok_and(|said| said.contains("[none]") || said == "none") {
        write(&trigger, "none")?;
    }
    let most = number(&folder.join("max_brightness")).unwrap_or(1.0).clamp(1.0, 65_535.0);
    write(&folder.join("brightness"), &if on { most.to_string() } else { "0".to_owned() })
}

/// The folder of the first of these chips that is there.
fn chip(root: &Path, names: &[String]) -> Result<PathBuf, InputError> {
    let all: Vec<(PathBuf, String)> = entries(&root.join("sys/class/hwmon"))
        .into_iter()
        .filter_map(|entry| text(&entry.join("name")).ok().map(|name| (entry, name)))
        .collect();
    names
        .iter()
        .find_map(|wanted| all.iter().find(|(_, name)| name == wanted))
        .map(|(entry, _)| entry.clone())
        .ok_or_else(|| InputError::Missing { what: format!("the hardware monitor {}", names.join(" or ")) })
}

/// Folders of a class in the order of their names; a class that is not there is empty.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(listed) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = listed.take(SYSFS_ENTRIES).flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn number(file: &Path) -> Result<f64, InputError> {
    let said = text(file)?;
    let value = said.parse::<f64>().ok().filter(|number| number.is_finite());
    value.ok_or_else(|| InputError::NoValue { what: file.display().to_string(), said })
}

/// What a file says, without the space around it. A trigger file is longer than a value and is cut.
fn text(file: &Path) -> Result<String, InputError> {
    let what = || file.display().to_string();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => InputError::Missing { what: what() },
        _ => InputError::Failed { what: what(), cause: error.to_string() },
    };
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(SYSFS_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Writes to a file that is there; never makes one.
fn write(file: &Path, value: &str) -> Result<(), InputError> {
    let what = file.display().to_string();
    let opened = File::options().write(true).truncate(true).open(file);
    opened.and_then(|mut file| file.write_all(value.as_bytes())).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => InputError::Missing { what },
        _ => InputError::Failed { what, cause: error.to_string() },
    })
}
