//! The clock, and protobuf timestamps. Domain code takes `now` as an argument; statements use
//! the database's clock.

use chrono::{DateTime, SubsecRound as _, Utc};

pub use tandem_verifier::jitter;

/// The current time, truncated to microseconds: PostgreSQL stores these, and would round.
#[must_use]
pub fn now() -> DateTime<Utc> {
    #[expect(clippy::disallowed_methods, reason = "the one place that truncates")]
    Utc::now().trunc_subsecs(6)
}

/// A time as a protobuf `Timestamp`.
#[must_use]
pub fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos())
            .expect("a leap second is below 2^31 ns"),
    }
}
