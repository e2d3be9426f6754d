//! Reflection (v1 and v1alpha), which needs no token: what `grpcurl describe` reads.

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

/// The versions have the same messages.
const VERSIONS: [&str; 2] = ["v1", "v1alpha"];

async fn ask(service: &Service, version: &str, question: MessageRequest) -> MessageResponse {
    let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
    let path: PathAndQuery = path.parse().expect("it is a path");
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let request = Request::new(tokio_stream::once(request));
    let codec = ProstCodec::<_, ServerReflectionResponse>::default();
    let mut grpc = Grpc::new(service.channel());
    grpc.ready().await.expect("the service is there");
    let answers = grpc.streaming(request, path, codec).await.expect("it is answered");
    let answer = answers.into_inner().message().await.expect("it goes on");
    answer.and_then(|answer| answer.message_response).expect("there is an answer")
}

async fn file(service: &Service, version: &str, question: MessageRequest) -> FileDescriptorProto {
    let what = format!("{version} {question:?}");
    let MessageResponse::FileDescriptorResponse(answer) = ask(service, version, question).await
    else {
        panic!("no file: {what}")
    };
    let [bytes] = &answer.file_descriptor_proto[..] else { panic!("not one file: {what}") };
    FileDescriptorProto::decode(&bytes[..]).expect("it is a file descriptor")
}

/// The file that declares a symbol and all that it imports, by name, each asked for.
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
async fn every_file_that_the_service_needs_can_be_had() {
    let app = App::start().await;
    for version in VERSIONS {
        let files = closure(&app.service, version, "tandem.auth.v1.AuthService").await;
        for name in ["tandem/auth/v1/auth_service.proto", "google/protobuf/timestamp.proto"] {
            assert!(files.contains_key(name), "{version}: {name} in {:?}", files.keys());
        }
    }
}

#[tokio::test]
async fn what_errors_carry_can_be_looked_up() {
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
async fn our_files_come_with_their_comments() {
    let app = App::start().await;
    for (symbol, comment) in [
        ("tandem.auth.v1.AuthService", "Creates a user."),
        ("tandem.error.v1.ErrorReason", "Why a call failed"),
    ] {
        let file = file(&app.service, "v1", FileContainingSymbol(symbol.to_owned())).await;
        let locations = file.source_code_info.expect("comments are kept").location;
        let found = locations.iter().any(|place| place.leading_comments().contains(comment));
        assert!(found, "{symbol}: {comment}");
    }
}
