//! The types, clients and servers generated from the protos beside this crate, and one message that
//! servers answer with in the place of another.
//!
//! Use a version as `pb`: `use proto::task::v1 as pb;`.

pub use tandem::{auth, error, task};

// The modules lie as the packages do: generated code finds other packages by that.
mod tandem {
    /// `tandem.auth`: users, logins and the keys that verify access tokens.
    pub mod auth {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("tandem.auth.v1");

            /// The encoded `FileDescriptorSet` of this package and all it imports, with comments.
            pub const FILE_DESCRIPTOR_SET: &[u8] =
                tonic::include_file_descriptor_set!("auth_descriptor_set");
        }
    }

    /// `tandem.task`: tasks, private to their owner.
    pub mod task {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("tandem.task.v1");

            /// The server of a service that keeps answers as they go over the wire.
            pub mod encoded {
                include!(concat!(env!("OUT_DIR"), "/encoded/tandem.task.v1.rs"));

                /// A [`ListTasksResponse`](super::ListTasksResponse) whose tasks are encoded
                /// already: on the wire it is the same.
                #[derive(Clone, PartialEq, prost::Message)]
                pub struct ListTasksResponse {
                    /// Each an encoded [`Task`](super::Task).
                    #[prost(bytes = "bytes", repeated, tag = "1")]
                    pub tasks: Vec<prost::bytes::Bytes>,
                    /// For the next page; empty on the last.
                    #[prost(string, tag = "2")]
                    pub next_page_token: String,
                }
            }

            /// The encoded `FileDescriptorSet` of this package and all it imports, with comments.
            pub const FILE_DESCRIPTOR_SET: &[u8] =
                tonic::include_file_descriptor_set!("task_descriptor_set");
        }
    }

    /// `tandem.error`: why a call failed.
    pub mod error {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("tandem.error.v1");
        }
    }
}

/// Google's common types, as far as our protos use them.
pub mod google {
    /// `google.type`.
    pub mod r#type {
        tonic::include_proto!("google.r#type");
    }
}
