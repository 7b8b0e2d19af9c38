//! How often somebody may be wrong: token buckets in the database, shared by all instances.
//!
//! A try is charged before it is checked and given back when it was right, so that tries in parallel and over several instances
//! count. Keys are hashes: no address and no login stands in the table. Invariant: without the database nobody may try.

use std::net::IpAddr;
use std::time::Duration;

use crate::database::{Database, DatabaseError, Doing as _};
use crate::limits::{ADDRESS_BURST, ADDRESS_REFILL, CLAIM_BURST, CLAIM_REFILL, PAIR_BURST, PAIR_REFILL};
use crate::metrics::Metrics;
use crate::problem::ApiError;
use crate::secret::{hash, hex};

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Try<'a> {
    /// A log-in with this name.
    Login(&'a str),
    /// A claim code.
    Claim,
}

struct Bucket {
    key: String,
    burst: u32,
    refill: Duration,
}

impl Try<'_> {
    fn buckets(self, address: IpAddr) -> Vec<Bucket> {
        let place = place(address);
        let bucket = |what: &str, burst, refill| Bucket {
            key: hex(&hash(format!("{what}\0{place}").as_bytes())),
            burst,
            refill,
        };
        match self {
            Self::Login(login) => vec![
                bucket(&format!("pair\0{login}"), PAIR_BURST, PAIR_REFILL),
                bucket("address", ADDRESS_BURST, ADDRESS_REFILL),
            ],
            Self::Claim => vec![bucket("claim", CLAIM_BURST, CLAIM_REFILL)],
        }
    }
}

/// An address as far as one sender commands it: IPv6 senders have a whole /64.
pub(crate) fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x}", u128::from(address) >> 64),
    }
}

/// A charged try; to be given back when it was right.
#[must_use]
pub(crate) struct Charge(Vec<Bucket>);

/// Charges a try.
///
/// # Errors
/// 429 when a bucket is empty, and the database's.
pub(crate) async fn charge(
    database: &Database,
    metrics: &Metrics,
    address: IpAddr,
    tried: Try<'_>,
) -> Result<Charge, ApiError> {
    let buckets = tried.buckets(address);
    let mut charged = Vec::new();
    for bucket in buckets {
        if let Some(wait) = take(database, &bucket).await? {
            metrics.throttled();
            give_back(database, Charge(charged)).await?;
            return Err(ApiError::too_many(
                "Too many wrong tries from your address. Nothing was checked; wait.",
                wait,
            ));
        }
        charged.push(bucket);
    }
    Ok(Charge(charged))
}

/// Takes one token; `Some` is how long to wait when there is none.
async fn take(database: &Database, bucket: &Bucket) -> Result<Option<Duration>, DatabaseError> {
    let mut connection = database.connect().await?;
    let (refill, whole) =
        (bucket.refill.as_secs_f64(), bucket.refill.as_secs_f64() * f64::from(bucket.burst));
    let taken = connection
        .bare()
        .query_opt(
            "INSERT INTO hub.rate AS r (key, full_at) VALUES ($1, now() + make_interval(secs => $2))
             ON CONFLICT (key) DO UPDATE SET full_at = greatest(r.full_at, now()) + make_interval(secs => $2)
                WHERE greatest(r.full_at, now()) + make_interval(secs => $2) <= now() + make_interval(secs => $3)
             RETURNING 1",
            &[&bucket.key, &refill, &whole],
        )
        .await
        .doing("charging a try")?;
    if taken.is_some() {
        return Ok(None);
    }
    let row = connection
        .bare()
        .query_one(
            "SELECT coalesce(max(extract(epoch FROM full_at - now())), 0)::float8 FROM hub.rate WHERE key = $1",
            &[&bucket.key],
        )
        .await
        .doing("reading how long to wait")?;
    let wait = (row.get::<_, f64>(0) + refill - whole).clamp(1.0, whole);
    Ok(Some(Duration::from_secs_f64(wait)))
}

/// Gives a charge back: the try was right, or was never checked.
///
/// # Errors
/// The database's.
pub(crate) async fn give_back(database: &Database, charge: Charge) -> Result<(), DatabaseError> {
    for bucket in charge.0 {
        let mut connection = database.connect().await?;
        connection
            .bare()
            .execute(
                "UPDATE hub.rate SET full_at = full_at - make_interval(secs => $2) WHERE key = $1",
                &[&bucket.key, &bucket.refill.as_secs_f64()],
            )
            .await
            .doing("giving a try back")?;
    }
    Ok(())
}

/// Forgets full buckets.
///
/// # Errors
/// The database's.
pub(crate) async fn forget(database: &Database) -> Result<(), DatabaseError> {
    let mut connection = database.connect().await?;
    connection
        .bare()
        .execute("DELETE FROM hub.rate WHERE full_at < now()", &[])
        .await
        .doing("forgetting old tries")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v6_network_is_one_address_and_keys_tell_nothing() {
        let key =
            |address: &str, tried: Try<'_>| tried.buckets(address.parse().expect("an address")).remove(0).key;
        assert_eq!(key("2001:db8::1", Try::Claim), key("2001:db8::2", Try::Claim));
        assert_ne!(key("2001:db8::1", Try::Claim), key("2001:db8:0:1::1", Try::Claim));
        assert_eq!(key("::ffff:192.0.2.1", Try::Claim), key("192.0.2.1", Try::Claim));
        assert_ne!(key("192.0.2.1", Try::Login("elin")), key("192.0.2.1", Try::Login("jonas")));
        assert!(!key("192.0.2.1", Try::Login("elin")).contains("elin"));
    }
}
