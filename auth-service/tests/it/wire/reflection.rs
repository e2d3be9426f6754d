//! Reflection (v1 and v1alpha), which needs no token.

use std::collections::{HashMap, hash_map::Entry};

use prost::Message as _;
use prost_types::FileDescriptorProto;
use test_support::Service;
use tonic::{Request, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse,
    server_reflection_request::MessageRequest::{
        self, AllExtensionNumbersOfType, FileByFilename, FileContainingExtension,
        FileContainingSymbol, ListServices,
    },
    server_reflection_response::MessageResponse,
};

use crate::support::App;

/// Both versions have the same messages.
const VERSIONS: [&str; 2] = ["v1", "v1alpha"];

fn request(question: MessageRequest) -> ServerReflectionRequest {
    ServerReflectionRequest { host: "any".to_owned(), message_request: Some(question) }
}

/// Sends these requests in one stream and returns the answers.
async fn send(
    service: &Service,
    version: &str,
    requests: Vec<ServerReflectionRequest>,
) -> Vec<ServerReflectionResponse> {
    let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
    let path: PathAndQuery = path.parse().expect("the path is valid");
    let requests = Request::new(tokio_stream::iter(requests));
    let codec = ProstCodec::<_, ServerReflectionResponse>::default();
    let mut grpc = Grpc::new(service.channel());
    grpc.ready().await.expect("the service is up");
    let stream = grpc.streaming(requests, path, codec).await.expect("the call is accepted");
    let (mut stream, mut answers) = (stream.into_inner(), Vec::new());
    while let Some(answer) = stream.message().await.expect("the stream continues") {
        answers.push(answer);
    }
    answers
}

async fn ask(service: &Service, version: &str, question: MessageRequest) -> MessageResponse {
    let answer = send(service, version, vec![request(question)]).await.pop();
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
        for name in [
            "tandem.auth.v1.AuthService",
            "tandem.auth.v1.AdminService",
            "grpc.health.v1.Health",
            &reflection,
        ] {
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

#[tokio::test]
async fn custom_options_are_kept_and_their_extension_is_described() {
    let app = App::start().await;
    let options = "google.protobuf.MethodOptions".to_owned();
    for version in VERSIONS {
        let question = AllExtensionNumbersOfType(options.clone());
        let MessageResponse::AllExtensionNumbersResponse(answer) =
            ask(&app.service, version, question).await
        else {
            panic!("{version}: no numbers")
        };
        let [number] = answer.extension_number[..] else { panic!("{version}: {answer:?}") };
        let containing_type = options.clone();
        let extension = ExtensionRequest { containing_type, extension_number: number };
        let declared = file(&app.service, version, FileContainingExtension(extension)).await;
        assert_eq!(declared.name(), "google/api/annotations.proto");

        let service = FileContainingSymbol("tandem.auth.v1.AuthService".to_owned());
        let MessageResponse::FileDescriptorResponse(answer) =
            ask(&app.service, version, service).await
        else {
            panic!("{version}: no file")
        };
        let path = b"/v1/users/me:changePassword";
        let bytes = answer.file_descriptor_proto.concat();
        assert!(bytes.windows(path.len()).any(|window| window == path), "{version}");
    }
}

#[tokio::test]
async fn a_question_without_an_answer_gets_an_error_and_the_stream_continues() {
    let app = App::start().await;
    let unknown = || "tandem.auth.v1.Unknown".to_owned();
    let extension = |number| ExtensionRequest {
        containing_type: "tandem.auth.v1.User".to_owned(),
        extension_number: number,
    };
    let questions = [
        FileContainingSymbol(unknown()),
        FileByFilename("unknown.proto".to_owned()),
        FileContainingExtension(extension(100)),
        AllExtensionNumbersOfType(unknown()),
    ];
    let mut requests = questions.map(request).to_vec();
    requests.push(ServerReflectionRequest::default());
    let known = [
        FileContainingSymbol("tandem.auth.v1.AuthService.Login".to_owned()),
        FileContainingSymbol("grpc.health.v1.HealthCheckResponse.ServingStatus".to_owned()),
        AllExtensionNumbersOfType("tandem.auth.v1.User".to_owned()),
    ];
    requests.extend(known.map(request));
    for version in VERSIONS {
        let answers = send(&app.service, version, requests.clone()).await;
        assert_eq!(answers.len(), requests.len(), "{version}");
        for (answer, request) in answers.iter().zip(&requests) {
            assert_eq!(answer.original_request.as_ref(), Some(request), "{version}");
            assert_eq!(answer.valid_host, request.host);
        }
        for answer in &answers[..5] {
            let Some(MessageResponse::ErrorResponse(error)) = &answer.message_response else {
                panic!("{version}: {answer:?}")
            };
            assert_eq!(error.error_code, 5, "{version}: {answer:?}");
        }
        for answer in &answers[5..7] {
            let file = &answer.message_response;
            assert!(matches!(file, Some(MessageResponse::FileDescriptorResponse(_))), "{file:?}");
        }
        let Some(MessageResponse::AllExtensionNumbersResponse(none)) = &answers[7].message_response
        else {
            panic!("{version}: {answers:?}")
        };
        assert_eq!(none.base_type_name, "tandem.auth.v1.User");
    }
}
