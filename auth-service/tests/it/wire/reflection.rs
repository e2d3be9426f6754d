//! Reflection (v1 and v1alpha), which needs no token.

use std::collections::{HashMap, hash_map::Entry};

use prost::Message as _;
use prost_types::FileDescriptorProto;
use test_support::Service;
use tonic::{Request, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse,
    server_reflection_request::MessageRequest::{
        self, FileByFilename, FileContainingSymbol, ListServices,
    },
    server_reflection_response::MessageResponse,
};

use crate::support::App;

/// Both versions have the same messages.
const VERSIONS: [&str; 2] = ["v1", "v1alpha"];

async fn ask(service: &Service, version: &str, question: MessageRequest) -> MessageResponse {
    let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
    let path: PathAndQuery = path.parse().expect("the path is valid");
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let request = Request::new(tokio_stream::once(request));
    let codec = ProstCodec::<_, ServerReflectionResponse>::default();
    let mut grpc = Grpc::new(service.channel());
    grpc.ready().await.expect("the service is up");
    let answers = grpc.streaming(request, path, codec).await.expect("the call is accepted");
    let answer = answers.into_inner().message().await.expect("the stream continues");
    answer.and_then(|answer| answer.message_response).expect("the answer is not empty")
}

async fn file(service: &Service, version: &str, question: MessageRequest) -> FileDescriptorProto {
    let what = format!("{version} {question:?}");
    let MessageResponse::FileDescriptorResponse(answer) = ask(service, version, question).await
    else {
        panic!("no file: {what}")
    };
    let [bytes] = &answer.file_descriptor_proto[..] else { panic!("not one file: {what}") };
    FileDescriptorProto::decode(&bytes[..]).expect("the answer is a file descriptor")
}

/// Fetches the file that declares a symbol and every file that it imports.
async fn closure(
    service: &Service,
    version: &str,
    symbol: &str,
) -> HashMap<String, FileDescriptorProto> {
    let first = file(service, version, FileContainingSymbol(symbol.to_owned())).await;
    let mut missing = first.dependency.clone();
    let mut files = HashMap::from([(first.name().to_owned(), first)]);
    while let Some(name) = missing.pop() {
        if let Entry::Vacant(place) = files.entry(name) {
            let question = FileByFilename(place.key().clone());
            let found = place.insert(file(service, version, question).await);
            missing.extend(found.dependency.clone());
        }
    }
    files
}

#[tokio::test]
async fn every_service_is_listed() {
    let app = App::start().await;
    for version in VERSIONS {
        let answer = ask(&app.service, version, ListServices(String::new())).await;
        let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
        let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
        names.sort();
        let reflection = format!("grpc.reflection.{version}.ServerReflection");
        for name in ["tandem.auth.v1.AuthService", "grpc.health.v1.Health", &reflection] {
            assert!(names.iter().any(|listed| listed == name), "{version}: {name} in {names:?}");
        }
        assert!(!names.iter().any(|listed| listed.contains("tandem.task")), "{names:?}");
    }
}

#[tokio::test]
async fn every_file_of_the_service_is_available() {
    let app = App::start().await;
    for version in VERSIONS {
        let files = closure(&app.service, version, "tandem.auth.v1.AuthService").await;
        for name in ["tandem/auth/v1/auth_service.proto", "google/protobuf/timestamp.proto"] {
            assert!(files.contains_key(name), "{version}: {name} in {:?}", files.keys());
        }
    }
}

#[tokio::test]
async fn error_details_are_described() {
    let app = App::start().await;
    for version in VERSIONS {
        for symbol in [
            "google.rpc.ErrorInfo",
            "google.rpc.BadRequest",
            "google.rpc.RetryInfo",
            "tandem.error.v1.ErrorReason",
        ] {
            closure(&app.service, version, symbol).await;
        }
    }
}

#[tokio::test]
async fn files_include_their_comments() {
    let app = App::start().await;
    for (symbol, comment) in [
        ("tandem.auth.v1.AuthService", "Creates a user."),
        ("tandem.error.v1.ErrorReason", "Why a call failed"),
    ] {
        let file = file(&app.service, "v1", FileContainingSymbol(symbol.to_owned())).await;
        let locations = file.source_code_info.expect("comments are included").location;
        let found = locations.iter().any(|place| place.leading_comments().contains(comment));
        assert!(found, "{symbol}: {comment}");
    }
}
