//! Parsers of single values. Each error says what is expected, with its unit.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use url::Url;

/// Parses a whole number within `range`.
pub fn count<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    whole_number("", range, |number| T::try_from(number).ok())
}

/// Parses a whole number of bytes within `range`.
pub fn bytes<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    whole_number(" of bytes", range, |number| T::try_from(number).ok())
}

/// Parses a whole number of seconds within `range`.
pub fn seconds(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    whole_number(" of seconds", range, |number| Some(Duration::from_secs(number)))
}

/// Parses a whole number of milliseconds within `range`.
pub fn milliseconds(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    whole_number(" of milliseconds", range, |number| Some(Duration::from_millis(number)))
}

fn whole_number<T>(
    unit: &'static str,
    range: RangeInclusive<u64>,
    convert: fn(u64) -> Option<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(convert).ok_or_else(|| {
            let (min, max) = (range.start(), range.end());
            format!("expected a whole number{unit} from {min} to {max}")
        })
    }
}

/// Parses an address to listen on.
pub fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected IP:PORT, such as 127.0.0.1:50051 or [::1]:50051")
}

/// Parses the URL of an HTTP server.
pub fn http_url(text: &str) -> Result<Url, &'static str> {
    let url = text.parse().ok().filter(|url: &Url| matches!(url.scheme(), "http" | "https"));
    url.ok_or("expected http://host:port/path or https://host/path")
}

pub(super) fn otlp_endpoint(text: &str) -> Result<Url, &'static str> {
    // The exporter is built without TLS and cannot reach an https endpoint.
    let url = http_url(text).ok().filter(|url| url.scheme() == "http");
    url.ok_or("expected http://host:port; to reach a collector with TLS, run a local collector")
}

/// Parses the name of an issuer or audience.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err("expected at least one visible character and no control characters");
    }
    Ok(text.to_owned())
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
    // The filter would take a misspelt level for a target and log nothing else.
    let is_level = |part: &str| part.parse::<LevelFilter>().is_ok();
    if text.split(',').any(|part| !part.contains(['=', '[']) && !is_level(part)) {
        return Err("expected off, error, warn, info, debug or trace, or target=level".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_suffix_is_rejected_with_the_unit_and_the_range() {
        let error = bytes::<u32>(1024..=4096)("16KiB").unwrap_err();
        assert_eq!(error, "expected a whole number of bytes from 1024 to 4096");
        let error = seconds(0..=9)("5s").unwrap_err();
        assert_eq!(error, "expected a whole number of seconds from 0 to 9");
        let error = milliseconds(1..=9)("10").unwrap_err();
        assert_eq!(error, "expected a whole number of milliseconds from 1 to 9");
        assert_eq!(count::<u16>(1..=9)("").unwrap_err(), "expected a whole number from 1 to 9");
    }

    #[test]
    fn the_ends_of_a_range_are_accepted() {
        assert_eq!(count::<u16>(1..=256)("256"), Ok(256));
        assert_eq!(seconds(0..=9)("0"), Ok(Duration::ZERO));
    }
}
