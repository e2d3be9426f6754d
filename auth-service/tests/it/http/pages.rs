//! The OpenAPI description.

use test_support::Description;

use super::wire;
use crate::support::App;

#[tokio::test]
async fn every_operation_answers_as_it_is_described() {
    let app = App::start().await;
    let wire = wire(&app);
    let description = Description::fetch(&wire).await;
    let admin = app.new_admin("ada").await.login.tokens.access_token;
    for token in [app.new_token("bob").await, admin] {
        assert_eq!(description.drive(&wire, &token).await, wire.methods().len());
    }
}
