//! Deadlines: the client's and the service's.

use std::time::{Duration, Instant};

use test_support::{Refusal, refusal};
use tonic::{Code, Request, metadata::MetadataValue};

use crate::support::{App, PASSWORD, registration};

/// A service whose registrations take longer than a test.
async fn with_slow_registration(flags: &[&str]) -> App {
    let app = App::with(&[&["--database-statement-timeout-ms", "60000"], flags].concat()).await;
    app.before_each_new_user("perform pg_sleep(20)").await;
    app
}

/// Registers a user with this deadline, which the client itself does not enforce.
async fn register_until(app: &App, deadline: &'static str) -> (Refusal, Duration) {
    let mut request = Request::new(registration("ada", PASSWORD));
    request.metadata_mut().insert("grpc-timeout", MetadataValue::from_static(deadline));
    let start = Instant::now();
    (refusal(app.client().register(request).await), start.elapsed())
}

fn deadline_exceeded() -> Refusal {
    Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
}

#[tokio::test]
async fn a_call_ends_at_the_clients_deadline() {
    let app = with_slow_registration(&[]).await;
    let (answer, took) = register_until(&app, "500m").await;
    assert_eq!(answer, deadline_exceeded());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_call_ends_at_the_services_limit_if_the_clients_deadline_is_later() {
    let app = with_slow_registration(&["--call-timeout-seconds", "1"]).await;
    let (answer, took) = register_until(&app, "1H").await;
    assert_eq!(answer, deadline_exceeded());
    assert!(took < Duration::from_secs(5), "{took:?}");
}
