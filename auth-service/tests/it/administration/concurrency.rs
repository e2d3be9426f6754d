//! Changes of a user that race: their statements have old snapshots when they get the lock.

use proto::auth::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;

use crate::support::{App, new_user};

#[tokio::test]
async fn of_concurrent_updates_with_one_etag_one_succeeds() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    let mut locks = app.lock_each_user().await;
    let updates = [0, 1, 2].map(|i| {
        let (admin, bob) = (admin.clone(), bob.clone());
        let rename = pb::User { username: format!("bob-{i}"), ..bob };
        tokio::spawn(async move { admin.update(rename, &["username"]).await })
    });
    locks.eventually_block(3).await;
    locks.release().await;
    let (mut succeeded, mut refused) = (Vec::new(), Vec::new());
    for update in updates {
        match update.await.unwrap() {
            Ok(user) => succeeded.push(user),
            Err(status) => refused.push(refusal::<()>(Err(status))),
        }
    }
    let [user] = &succeeded[..] else { panic!("{succeeded:?}") };
    let mismatch = || Refusal::new(Code::Aborted, "ETAG_MISMATCH").with("etag", &user.etag);
    assert_eq!(refused, [mismatch(), mismatch()]);
    assert_eq!(&admin.get(&bob.id).await.unwrap(), user);
}

#[tokio::test]
async fn concurrent_updates_of_different_fields_all_apply() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    let mut locks = app.lock_each_user().await;
    let wanted = pb::User {
        username: "robert".to_owned(),
        roles: vec!["editor".to_owned()],
        disabled: true,
        etag: String::new(),
        ..bob.clone()
    };
    let updates = ["username", "roles", "disabled"].map(|path| {
        let (admin, wanted) = (admin.clone(), wanted.clone());
        tokio::spawn(async move { admin.update(wanted, &[path]).await })
    });
    locks.eventually_block(3).await;
    locks.release().await;
    for update in updates {
        update.await.unwrap().unwrap();
    }
    let user = admin.get(&bob.id).await.unwrap();
    let expected =
        pb::User { update_time: user.update_time, etag: user.etag.clone(), ..wanted.clone() };
    assert_eq!(user, expected);
    let events = "select count(*)::text from auth.events
                  where event like 'user%' and event <> 'user_created'";
    assert_eq!(app.query(events).await, "3");
}

#[tokio::test]
async fn a_login_during_a_change_begins_no_session_that_survives_it() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    for round in 0..10 {
        let logins: Vec<_> = (0..3).map(|_| app.spawn_log_in("bob")).collect();
        let disabled = round % 2 == 0;
        admin.set_disabled(&bob.id, disabled).await.unwrap();
        let begun = app
            .query(
                "select count(*)::text from auth.sessions s join auth.users u
            on u.id = s.user_id and u.password_version = s.password_version
            where u.username = 'bob' and u.disabled",
            )
            .await;
        assert_eq!(begun, "0");
        for login in logins {
            // Rejected, or begun before the change, or after the user was enabled.
            let _ = login.await.unwrap();
        }
        if disabled {
            let request =
                pb::ListUserSessionsRequest { user_id: bob.id.clone(), ..Default::default() };
            assert_eq!(admin.sessions(request).await.unwrap().sessions, [], "round {round}");
        }
    }
}
