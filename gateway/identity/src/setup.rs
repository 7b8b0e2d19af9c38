//! First set-up: the first owner by the code of the console, then the site's name and time zone.
//!
//! There is no default password. Invariants: an owner is made this way only while there is none, checked inside the
//! transaction; the code is made anew at each start and dies with the first owner.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;
use sitewarden_core::{Action, Permit, Resource, Role};
use sitewarden_store::{SqlContext as _, StoreError, Tx};

use crate::error::IdentityError;
use crate::people::{self, NewUser, User};
use crate::sessions::{self, NewSession, Session};

/// What the set-up came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteSettings {
    /// Name of the site.
    pub site_name: String,
    /// IANA time zone, such as `Europe/Oslo`.
    pub time_zone: String,
}

/// The settings of the first set-up; `None` until it is finished.
///
/// # Errors
/// [`StoreError`].
pub fn site_settings(conn: &Connection) -> Result<Option<SiteSettings>, StoreError> {
    conn.query_row("SELECT site_name, time_zone FROM setup WHERE id = 1", [], |row| {
        Ok(SiteSettings { site_name: row.get(0)?, time_zone: row.get(1)? })
    })
    .optional()
    .doing("reading what the set-up came to")
}

/// Makes the first owner and signs them in. The permit is for `setup:run` on the site; the code was checked.
pub(crate) fn first_owner(
    tx: &Tx<'_>,
    permit: Permit,
    new: &NewUser,
    session: &NewSession,
) -> Result<(User, Session), IdentityError> {
    let actor = tx.spend(permit, Action::SetupRun, &Resource::site())?;
    if people::owners(tx.sql())? > 0 {
        return Err(IdentityError::SetupDone);
    }
    let new = NewUser { role: Role::Owner, ..new.clone() };
    let user = people::insert(tx, &actor, &new, "setup.owner-created")?;
    let session = sessions::insert(tx, &user, session)?;
    Ok((user, session))
}

/// Keeps the site's name and time zone. The permit is for `setup:run` on the site.
pub(crate) fn finish(tx: &Tx<'_>, permit: Permit, settings: &SiteSettings) -> Result<(), IdentityError> {
    let actor = tx.spend(permit, Action::SetupRun, &Resource::site())?;
    if people::owners(tx.sql())? == 0 {
        return Err(IdentityError::value("setup", "the first step is to make the owner"));
    }
    tx.sql()
        .execute(
            "INSERT INTO setup (id, site_name, time_zone, finished) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET site_name = excluded.site_name, time_zone = excluded.time_zone, finished = excluded.finished",
            params![settings.site_name, settings.time_zone, tx.now().micros()],
        )
        .doing("finishing the set-up")?;
    tx.append(
        &actor,
        "setup.finished",
        json!({ "site_name": settings.site_name, "time_zone": settings.time_zone }),
    )?;
    Ok(())
}

/// A time zone as it is kept. Whether the browser's and the box's lists know it is for those who use it.
pub(crate) fn check_time_zone(typed: &str) -> Result<String, IdentityError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
    let fits = !typed.is_empty()
        && typed.len() <= 64
        && typed.chars().all(plain)
        && !typed.starts_with('/')
        && !typed.ends_with('/');
    if fits {
        Ok(typed.to_owned())
    } else {
        Err(IdentityError::value("time_zone", "give an IANA name such as Europe/Oslo or UTC"))
    }
}
