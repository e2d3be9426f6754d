//! Server reflection (`grpc.reflection.v1` and `v1alpha`).
//!
//! The server of `tonic-reflection` ends the stream at the first question that it cannot answer.
//! The protocol has an `error_response` for that, and clients ask on.

use std::{collections::HashMap, sync::Arc};

use axum::{extract::Request, http::Uri};
use futures_util::{StreamExt as _, stream::BoxStream};
use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};
use shared::error::GrpcCode;
use tonic::{Status, Streaming};
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
    server_reflection_request::MessageRequest as Question,
    server_reflection_response::MessageResponse as Answer,
    server_reflection_server::{ServerReflection, ServerReflectionServer},
};
use tower::{Service, util::ServiceExt as _};

/// The paths of the one method. Both versions have the same messages.
const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
pub(crate) const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// The service of v1 for the files of these encoded descriptor sets.
pub(crate) fn v1(descriptor_sets: &[&[u8]]) -> ServerReflectionServer<impl ServerReflection> {
    ServerReflectionServer::new(Reflection(Arc::new(Index::new(descriptor_sets))))
}

/// A service for the path of v1alpha that answers by this service of v1.
pub(crate) fn v1alpha<S: Service<Request> + Clone>(
    v1: S,
) -> impl Service<Request, Response = S::Response, Error = S::Error, Future = S::Future> + Clone {
    v1.map_request(|mut request: Request| {
        *request.uri_mut() = Uri::from_static(V1);
        request
    })
}

struct Reflection(Arc<Index>);

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream = BoxStream<'static, Result<ServerReflectionResponse, Status>>;

    async fn server_reflection_info(
        &self,
        requests: tonic::Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<tonic::Response<Self::ServerReflectionInfoStream>, Status> {
        let index = self.0.clone();
        let answers = requests.into_inner().map(move |request| {
            let request = request?;
            let answer = request.message_request.as_ref().and_then(|ask| index.answer(ask));
            Ok(ServerReflectionResponse {
                valid_host: request.host.clone(),
                message_response: Some(answer.unwrap_or_else(not_found)),
                original_request: Some(request),
            })
        });
        Ok(tonic::Response::new(answers.boxed()))
    }
}

fn not_found() -> Answer {
    Answer::ErrorResponse(ErrorResponse {
        error_code: GrpcCode::NOT_FOUND.number().try_into().unwrap_or_default(),
        error_message: "this port serves no such file, symbol or extension".to_owned(),
    })
}

/// A `FileDescriptorSet` whose files stay encoded: `prost-types` would drop their custom options.
#[derive(Clone, PartialEq, prost::Message)]
struct EncodedSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

/// What can be asked.
#[derive(Default)]
struct Index {
    /// The encoded files by name.
    files: HashMap<String, Vec<u8>>,
    /// The name of the file that declares a service, method, message, enum or extension.
    symbols: HashMap<String, String>,
    /// The number and the file's name of each extension of a message.
    extensions: HashMap<String, Vec<(i32, String)>>,
    services: Vec<ServiceResponse>,
}

impl Index {
    fn new(descriptor_sets: &[&[u8]]) -> Self {
        let mut index = Self::default();
        for set in descriptor_sets {
            let set = EncodedSet::decode(*set).expect("the descriptor sets are compiled in");
            set.files.into_iter().for_each(|file| index.add(file));
        }
        index
    }

    fn add(&mut self, encoded: Vec<u8>) {
        let file = FileDescriptorProto::decode(&*encoded).expect("the descriptors are compiled in");
        if self.files.insert(file.name().to_owned(), encoded).is_some() {
            return;
        }
        let mut symbols = Vec::new();
        add_types(file.package(), &file.message_type, &file.enum_type, &mut symbols);
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            symbols.extend(service.method.iter().map(|method| format!("{name}.{}", method.name())));
            symbols.push(name.clone());
            self.services.push(ServiceResponse { name });
        }
        for extension in &file.extension {
            symbols.push(format!("{}.{}", file.package(), extension.name()));
            let message = extension.extendee().trim_start_matches('.').to_owned();
            let extensions = self.extensions.entry(message).or_default();
            extensions.push((extension.number(), file.name().to_owned()));
        }
        let file = || file.name().to_owned();
        self.symbols.extend(symbols.into_iter().map(|symbol| (symbol, file())));
    }

    /// `None` if there is no such file, symbol or extension.
    fn answer(&self, question: &Question) -> Option<Answer> {
        let file = |name| {
            let file_descriptor_proto = vec![self.files.get(name)?.clone()];
            Some(Answer::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto }))
        };
        match question {
            Question::FileByFilename(name) => file(name),
            Question::FileContainingSymbol(symbol) => file(self.symbols.get(symbol)?),
            Question::FileContainingExtension(asked) => {
                let mut extensions = self.extensions.get(&asked.containing_type)?.iter();
                file(&extensions.find(|(number, _)| *number == asked.extension_number)?.1)
            }
            Question::AllExtensionNumbersOfType(message) => {
                let base_type_name = self.symbols.get_key_value(message)?.0.clone();
                let extensions = self.extensions.get(message).into_iter().flatten();
                let extension_number = extensions.map(|(number, _)| *number).collect();
                let numbers = ExtensionNumberResponse { base_type_name, extension_number };
                Some(Answer::AllExtensionNumbersResponse(numbers))
            }
            Question::ListServices(_) => {
                let service = self.services.clone();
                Some(Answer::ListServicesResponse(ListServiceResponse { service }))
            }
        }
    }
}

/// Adds the full names of these types and of the types in them.
fn add_types(
    scope: &str,
    messages: &[DescriptorProto],
    enums: &[EnumDescriptorProto],
    names: &mut Vec<String>,
) {
    names.extend(enums.iter().map(|r#enum| format!("{scope}.{}", r#enum.name())));
    for message in messages {
        let name = format!("{scope}.{}", message.name());
        add_types(&name, &message.nested_type, &message.enum_type, names);
        names.push(name);
    }
}
