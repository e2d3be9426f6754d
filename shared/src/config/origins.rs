//! The setting of the sites whose pages may read responses (CORS).

use std::str::FromStr;

use http::HeaderValue;
use url::Url;

/// The origins whose pages may read responses: none, some, or all.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Whether pages of this origin may read responses.
    #[must_use]
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

impl FromStr for Origins {
    type Err = &'static str;

    /// Reads origins separated by commas, or `*`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

fn origin(text: &str) -> Result<HeaderValue, &'static str> {
    let rule = "must be origins such as https://app.example.com, separated by commas, or *";
    let is_origin =
        |text: &str| Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    let value = HeaderValue::from_str(text).map_err(|_| rule)?;
    (text == "*" || is_origin(text)).then_some(value).ok_or(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for good in ["", "*", "https://a.example", "http://127.0.0.1:3000, https://b.example"] {
            assert!(good.parse::<Origins>().is_ok(), "{good}");
        }
        for bad in ["a.example", "https://a.example/", "https://a.example:443", "null", "é"] {
            assert!(bad.parse::<Origins>().is_err(), "{bad}");
        }
    }
}
