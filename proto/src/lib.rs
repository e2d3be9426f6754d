//! Types, clients and servers generated from the protos of this crate, and a pre-encoded variant of
//! one response.
//!
//! Use a version as `pb`: `use proto::task::v1 as pb;`.

pub use tandem::{auth, error, task};

// Generated code refers to other packages by relative paths, so the modules mirror the packages.
mod tandem {
    /// `tandem.auth`: users, sessions and the keys that verify access tokens.
    pub mod auth {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("tandem.auth.v1");

            /// The encoded `FileDescriptorSet` of this package and its imports, with comments.
            pub const FILE_DESCRIPTOR_SET: &[u8] =
                tonic::include_file_descriptor_set!("auth_descriptor_set");

            impl LoginResponse {
                /// The tokens of the new session; `None` if a second factor is missing.
                #[must_use]
                pub fn tokens(self) -> Option<TokenPair> {
                    match self.outcome? {
                        login_response::Outcome::Tokens(tokens) => Some(tokens),
                        login_response::Outcome::Challenge(_) => None,
                    }
                }

                /// The challenge; `None` if a session has begun.
                #[must_use]
                pub fn challenge(self) -> Option<LoginChallenge> {
                    match self.outcome? {
                        login_response::Outcome::Tokens(_) => None,
                        login_response::Outcome::Challenge(challenge) => Some(challenge),
                    }
                }
            }
        }
    }

    /// `tandem.task`: tasks, private to their owner.
    pub mod task {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("tandem.task.v1");

            /// A server of the same service whose list responses hold encoded tasks, so that a
            /// cached page is sent without decoding it.
            pub mod encoded {
                include!(concat!(env!("OUT_DIR"), "/encoded/tandem.task.v1.rs"));

                /// The same message on the wire as
                /// [`ListTasksResponse`](super::ListTasksResponse).
                #[derive(Clone, PartialEq, prost::Message)]
                pub struct ListTasksResponse {
                    /// Encoded [`Task`](super::Task)s.
                    #[prost(bytes = "bytes", repeated, tag = "1")]
                    pub tasks: Vec<prost::bytes::Bytes>,
                    /// The token for the next page; empty on the last page.
                    #[prost(string, tag = "2")]
                    pub next_page_token: String,
                }
            }

            /// The encoded `FileDescriptorSet` of this package and its imports, with comments.
            pub const FILE_DESCRIPTOR_SET: &[u8] =
                tonic::include_file_descriptor_set!("task_descriptor_set");
        }
    }

    /// `tandem.error`: the reasons of failed calls.
    pub mod error {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("tandem.error.v1");
        }
    }
}

/// The common services of gRPC.
pub mod grpc {
    /// `grpc.health`: the health checking protocol.
    pub mod health {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("grpc.health.v1");

            /// The encoded `FileDescriptorSet` of this package, with comments.
            pub const FILE_DESCRIPTOR_SET: &[u8] =
                tonic::include_file_descriptor_set!("health_descriptor_set");
        }
    }
}

/// The common types of Google's APIs that the protos use.
pub mod google {
    /// `google.type`.
    pub mod r#type {
        tonic::include_proto!("google.r#type");
    }
}
