//! Reflection, v1 and v1alpha, which needs no token.

use task_service::SERVICE_NAME;
use tokio_stream::once;
use tonic_reflection::pb::{
    v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    },
    v1alpha,
};

use crate::support::App;

const AUTH_SERVICE: &str = "tandem.auth.v1.AuthService";

async fn ask(app: &App, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = ServerReflectionClient::new(app.service.channel());
    let mut answers =
        client.server_reflection_info(once(request)).await.expect("it answers").into_inner();
    let answer = answers.message().await.expect("it answers").expect("before it ends");
    answer.message_response.expect("the answer is not empty")
}

async fn ask_for_symbol(app: &App, symbol: &str) -> MessageResponse {
    ask(app, MessageRequest::FileContainingSymbol(symbol.into())).await
}

#[tokio::test]
async fn only_the_services_on_this_port_are_listed() {
    let app = App::start().await;
    let answer = ask(&app, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&SERVICE_NAME), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
    assert!(!names.contains(&AUTH_SERVICE), "{names:?}");
}

#[tokio::test]
async fn v1alpha_lists_the_same_services() {
    use v1alpha::{
        server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let app = App::start().await;
    let question = Some(MessageRequest::ListServices(String::new()));
    let request =
        v1alpha::ServerReflectionRequest { host: String::new(), message_request: question };
    let mut client = ServerReflectionClient::new(app.service.channel());
    let mut answers = client.server_reflection_info(once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&SERVICE_NAME) && !names.contains(&AUTH_SERVICE), "{names:?}");
}

#[tokio::test]
async fn the_service_is_described_with_its_comments() {
    let app = App::start().await;
    let answer = ask_for_symbol(&app, SERVICE_NAME).await;
    let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
    let text = String::from_utf8_lossy(&files.file_descriptor_proto.concat()).into_owned();
    assert!(text.contains("UpdateTaskRequest") && text.contains("Creates a task (AIP-133)."));
}

#[tokio::test]
async fn the_types_of_the_other_service_are_absent() {
    let app = App::start().await;
    for symbol in [AUTH_SERVICE, "tandem.auth.v1.LoginRequest"] {
        let answer = ask_for_symbol(&app, symbol).await;
        let MessageResponse::ErrorResponse(error) = answer else { panic!("{symbol}: {answer:?}") };
        assert_eq!(error.error_code, 5, "{symbol}");
    }
}
