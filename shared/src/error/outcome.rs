//! What a call came to, by its gRPC code, as the metrics and the log name it.

use http::HeaderMap;
use tonic::{Code, Status};

/// The code that a call ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome(Code);

impl Outcome {
    /// How many there are.
    pub(crate) const COUNT: usize = 17;
    /// The client went away, or the connection did, before the answer was complete.
    pub(crate) const ABANDONED: Self = Self(Code::Cancelled);
    /// A defect ended the call without an answer.
    pub(crate) const PANICKED: Self = Self(Code::Internal);

    /// All, each at the place of its number.
    pub(crate) fn all() -> [Self; Self::COUNT] {
        std::array::from_fn(|number| Self(Code::from(i32::try_from(number).unwrap_or_default())))
    }

    /// The one that a response's headers or trailers tell: errors stand in the headers, and a
    /// success in the trailers.
    pub(crate) fn told_by(headers: &HeaderMap) -> Option<Self> {
        headers.get(Status::GRPC_STATUS).map(|code| Self(Code::from_bytes(code.as_bytes())))
    }

    /// An answer that tells nothing more.
    pub(crate) fn into_response<B: Default>(self) -> http::Response<B> {
        Status::new(self.0, "").into_http()
    }

    /// The number of the code on the wire.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }

    /// The code as go-grpc-middleware spells it.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Code::Ok => "OK",
            Code::Cancelled => "Canceled",
            Code::Unknown => "Unknown",
            Code::InvalidArgument => "InvalidArgument",
            Code::DeadlineExceeded => "DeadlineExceeded",
            Code::NotFound => "NotFound",
            Code::AlreadyExists => "AlreadyExists",
            Code::PermissionDenied => "PermissionDenied",
            Code::ResourceExhausted => "ResourceExhausted",
            Code::FailedPrecondition => "FailedPrecondition",
            Code::Aborted => "Aborted",
            Code::OutOfRange => "OutOfRange",
            Code::Unimplemented => "Unimplemented",
            Code::Internal => "Internal",
            Code::Unavailable => "Unavailable",
            Code::DataLoss => "DataLoss",
            Code::Unauthenticated => "Unauthenticated",
        }
    }

    /// The code as gRPC's specification spells it.
    pub(crate) fn status(self) -> String {
        let mut status = String::new();
        for letter in format!("{:?}", self.0).chars() {
            if letter.is_uppercase() && !status.is_empty() {
                status.push('_');
            }
            status.push(letter.to_ascii_uppercase());
        }
        status
    }

    /// Whether the operator, not the caller, should look into it.
    pub(crate) fn is_ours(self) -> bool {
        matches!(
            self.0,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_place_of_its_number_and_a_name_of_its_own() {
        let all = Outcome::all();
        for (number, outcome) in all.iter().enumerate() {
            assert_eq!(outcome.number(), number);
        }
        let names: std::collections::HashSet<_> = all.map(Outcome::name).into();
        assert_eq!(names.len(), Outcome::COUNT);
    }

    #[test]
    fn a_status_is_spelt_as_in_the_specification() {
        let status = |code| Outcome(code).status();
        assert_eq!(status(Code::Ok), "OK");
        assert_eq!(status(Code::Cancelled), "CANCELLED");
        assert_eq!(status(Code::DeadlineExceeded), "DEADLINE_EXCEEDED");
    }

    #[test]
    fn a_code_that_is_none_is_unknown_and_headers_without_one_tell_nothing() {
        let told = |code: &'static str| {
            let headers = HeaderMap::from_iter([(Status::GRPC_STATUS, code.parse().unwrap())]);
            Outcome::told_by(&headers).map(Outcome::name)
        };
        assert_eq!(told("0"), Some("OK"));
        assert_eq!(told("16"), Some("Unauthenticated"));
        assert_eq!(told("17"), Some("Unknown"));
        assert_eq!(Outcome::told_by(&HeaderMap::new()), None);
    }
}
