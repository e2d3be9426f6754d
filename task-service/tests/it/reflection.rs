//! Reflection, v1 and v1alpha: for anybody, without a token.

use task_service::SERVICE_NAME;
use tokio_stream::once;
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::App;

const AUTH_SERVICE: &str = "tandem.auth.v1.AuthService";

async fn ask(app: &App, question: v1::server_reflection_request::MessageRequest) -> Answer {
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(app.service.channel());
    let request =
        v1::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut answers = client.server_reflection_info(once(request)).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().message_response.unwrap()
}

type Answer = v1::server_reflection_response::MessageResponse;

#[tokio::test]
async fn the_services_on_this_port_are_listed_and_no_others() {
    let app = App::start().await;
    let question = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let Answer::ListServicesResponse(list) = ask(&app, question).await else {
        panic!("it is not a list")
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&SERVICE_NAME), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
    assert!(!names.contains(&AUTH_SERVICE), "{names:?}");
}

#[tokio::test]
async fn the_older_version_lists_the_same() {
    let app = App::start().await;
    let question = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request =
        v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(app.service.channel());
    let mut answers = client.server_reflection_info(once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer
    else {
        panic!("it is not a list")
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&SERVICE_NAME) && !names.contains(&AUTH_SERVICE), "{names:?}");
}

#[tokio::test]
async fn the_service_is_described_with_its_comments() {
    let app = App::start().await;
    let symbol = SERVICE_NAME.to_owned();
    let question = v1::server_reflection_request::MessageRequest::FileContainingSymbol(symbol);
    let Answer::FileDescriptorResponse(files) = ask(&app, question).await else {
        panic!("there are no files")
    };
    let text = String::from_utf8_lossy(&files.file_descriptor_proto.concat()).into_owned();
    assert!(text.contains("UpdateTaskRequest") && text.contains("Creates a task (AIP-133)."));
}

#[tokio::test]
async fn the_types_of_the_other_service_are_not_found() {
    let app = App::start().await;
    for symbol in [AUTH_SERVICE, "tandem.auth.v1.LoginRequest"] {
        let symbol = symbol.to_owned();
        let question = v1::server_reflection_request::MessageRequest::FileContainingSymbol(symbol);
        let mut client =
            v1::server_reflection_client::ServerReflectionClient::new(app.service.channel());
        let request =
            v1::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let mut answers = client.server_reflection_info(once(request)).await.unwrap().into_inner();
        let code = match answers.message().await {
            Err(status) => status.code(),
            Ok(answer) => match answer.unwrap().message_response.unwrap() {
                Answer::ErrorResponse(error) => tonic::Code::from_i32(error.error_code),
                _ => tonic::Code::Ok,
            },
        };
        assert_eq!(code, tonic::Code::NotFound);
    }
}
