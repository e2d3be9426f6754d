//! ListTasks: a page token is valid only for the user and the list that it was issued for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proto::task::v1 as pb;
use test_support::{Refusal, Service, refusal};
use tonic::Code;

use crate::support::{App, config};

fn page_token_invalid() -> Refusal {
    Refusal::new(Code::InvalidArgument, "PAGE_TOKEN_INVALID")
}

#[tokio::test]
async fn a_modified_token_is_rejected() {
    let app = App::start().await;
    let [alice] = app.users();
    let token = alice.page_token().await;
    let flipped = |position: usize, bit: u8| {
        let mut bytes = token.clone().into_bytes();
        bytes[position] ^= 1 << bit;
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let positions = (0..token.len()).step_by(3);
    let flips = positions.flat_map(|position| [0, 1, 4].map(|bit| flipped(position, bit)));
    let others = [
        "garbage".to_owned(),
        " ".to_owned(),
        "🧀".to_owned(),
        "A".repeat(10_000),
        token[..token.len() - 1].to_owned(),
        token[..token.len() / 2].to_owned(),
        token[1..].to_owned(),
        token[..4].to_owned(),
        format!("{token}="),
        format!("{token}A"),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{token}{token}"),
    ];
    for changed in flips.chain(others) {
        let answer = alice.try_page(1, &changed).await;
        assert_eq!(refusal(answer), page_token_invalid(), "{changed:?} was {token:?}");
    }
    assert_eq!(alice.page(1, &token).await.tasks.len(), 1);
}

#[tokio::test]
async fn a_token_of_another_user_is_rejected() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let token = alice.page_token().await;
    bob.page_token().await;
    assert_eq!(refusal(bob.try_page(1, &token).await), page_token_invalid());
}

#[tokio::test]
async fn a_token_is_reusable_and_accepts_another_page_size() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 30).await;
    let token = alice.page(10, "").await.next_page_token;
    let second = alice.page(10, &token).await.tasks;
    assert_eq!(alice.page(10, &token).await.tasks, second);
    assert_eq!(alice.page(20, &token).await.tasks[..10], second);
}

#[tokio::test]
async fn a_token_reveals_nothing_of_the_last_task() {
    let app = App::start().await;
    let [alice] = app.users();
    for title in ["secret 1", "secret 2"] {
        alice.create(title).await;
    }
    let by_title =
        pb::ListTasksRequest { order_by: "title".into(), page_size: 1, ..Default::default() };
    let page = alice.try_list(by_title).await.unwrap().into_inner();
    let bytes = URL_SAFE_NO_PAD.decode(page.next_page_token).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("secret") && !text.contains(&page.tasks[0].id), "{text}");
}

#[tokio::test]
async fn a_token_works_on_other_replicas() {
    let app = App::start().await;
    let [alice] = app.users();
    let before = app.replica().await;
    let token = alice.page_token().await;
    let expected = alice.page(1, &token).await;
    let after = app.replica().await;
    for replica in [before, after] {
        assert_eq!(app.at(&replica, &alice).page(1, &token).await, expected);
    }
}

#[tokio::test]
async fn replicas_that_start_together_agree_on_the_key() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 2).await;
    let (one, other) = tokio::join!(app.replica(), app.replica());
    let (at_one, at_other) = (app.at(&one, &alice), app.at(&other, &alice));
    // The first replica that issues a token creates the key.
    let (first, second) = tokio::join!(at_one.page_token(), at_other.page_token());
    assert_eq!(at_one.page(1, &second).await, at_other.page(1, &first).await);
}

#[tokio::test]
async fn a_token_works_after_a_restart() {
    let app = App::start().await;
    let [alice] = app.users();
    let token = alice.page_token().await;
    let expected = alice.page(1, &token).await;
    let address = app.service.address();
    app.service.stop().await.unwrap();
    let config = config(&app.database, app.issuer.url(), &[]);
    let run = |listener, shutdown| task_service::run(config, listener, shutdown);
    let restarted = Service::start_at(address, run).await.ready().await;
    assert_eq!(alice.page(1, &token).await, expected);
    drop(restarted);
}
