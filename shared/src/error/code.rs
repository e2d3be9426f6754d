//! The gRPC code that a call ended with, as metrics, log and traces spell it.

use std::fmt;

use http::{HeaderMap, StatusCode};
use tonic::{Code, Status};

/// The code of a call. `Display` spells it as go-grpc-middleware does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcCode(Code);

impl GrpcCode {
    /// The number of codes.
    pub const COUNT: usize = 17;
    /// The client or the connection went away before the response was complete.
    pub const CANCELLED: Self = Self(Code::Cancelled);
    /// There is no such thing.
    pub const NOT_FOUND: Self = Self(Code::NotFound);
    /// A panic ended the call without a response.
    pub const INTERNAL: Self = Self(Code::Internal);

    /// All codes, each at the index of its number.
    pub fn all() -> [Self; Self::COUNT] {
        std::array::from_fn(|number| Self(Code::from(i32::try_from(number).unwrap_or_default())))
    }

    /// The code in a response's headers (errors) or trailers (success).
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(Status::GRPC_STATUS).map(|code| Self(Code::from_bytes(code.as_bytes())))
    }

    /// A response with this code and nothing else.
    pub fn into_response<B: Default>(self) -> http::Response<B> {
        Status::new(self.0, "").into_http()
    }

    /// Whether the call succeeded.
    pub fn is_ok(self) -> bool {
        self.0 == Code::Ok
    }

    /// The HTTP status, by the table in the comments of `google.rpc.Code`.
    pub fn http_status(self) -> StatusCode {
        match self.0 {
            Code::Ok => StatusCode::OK,
            // 499 is no status of HTTP, but the one that proxies log for a client that went away.
            Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
                StatusCode::BAD_REQUEST
            }
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code as Connect's specification spells it.
    pub fn connect(self) -> String {
        match self.0 {
            Code::Cancelled => "canceled".to_owned(),
            _ => self.status().to_lowercase(),
        }
    }

    /// The number of the code on the wire.
    pub fn number(self) -> usize {
        self.0 as usize
    }

    /// The code as gRPC's specification spells it.
    pub fn status(self) -> String {
        let mut status = String::new();
        for letter in format!("{:?}", self.0).chars() {
            if letter.is_uppercase() && !status.is_empty() {
                status.push('_');
            }
            status.push(letter.to_ascii_uppercase());
        }
        status
    }

    /// Whether the operator, not the caller, should investigate.
    pub fn is_server_fault(self) -> bool {
        use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unknown};
        matches!(self.0, Unknown | DeadlineExceeded | Internal | Unavailable | DataLoss)
    }
}

impl From<&Status> for GrpcCode {
    fn from(status: &Status) -> Self {
        Self(status.code())
    }
}

impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Code::Ok => f.write_str("OK"),
            Code::Cancelled => f.write_str("Canceled"),
            code => write!(f, "{code:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_at_the_index_of_its_number_and_has_a_unique_name() {
        let all = GrpcCode::all();
        for (number, code) in all.iter().enumerate() {
            assert_eq!(code.number(), number);
        }
        let names: std::collections::HashSet<_> = all.map(|code| code.to_string()).into();
        assert_eq!(names.len(), GrpcCode::COUNT);
    }

    #[test]
    fn a_code_is_spelt_as_in_grpc_s_specification() {
        let status = |code| GrpcCode(code).status();
        assert_eq!(status(Code::Ok), "OK");
        assert_eq!(status(Code::Cancelled), "CANCELLED");
        assert_eq!(status(Code::DeadlineExceeded), "DEADLINE_EXCEEDED");
    }

    #[test]
    fn an_undefined_code_is_unknown_and_headers_without_a_code_have_none() {
        let name = |code: &'static str| {
            let headers = HeaderMap::from_iter([(Status::GRPC_STATUS, code.parse().unwrap())]);
            GrpcCode::of(&headers).map(|code| code.to_string())
        };
        assert_eq!(name("0").as_deref(), Some("OK"));
        assert_eq!(name("16").as_deref(), Some("Unauthenticated"));
        assert_eq!(name("17").as_deref(), Some("Unknown"));
        assert_eq!(GrpcCode::of(&HeaderMap::new()), None);
    }
}
