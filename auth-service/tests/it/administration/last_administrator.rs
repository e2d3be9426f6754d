//! The last enabled administrator stays one, also when calls race.

use test_support::{Refusal, refusal};
use tonic::{Code, Status};

use crate::support::{Admin, App, new_user};

#[derive(Clone, Copy, Debug)]
enum Demotion {
    Roles,
    Disable,
    Delete,
}

const ALL: [Demotion; 3] = [Demotion::Roles, Demotion::Disable, Demotion::Delete];

async fn demote(admin: &Admin, id: &str, how: Demotion) -> Result<(), Status> {
    match how {
        Demotion::Roles => admin.set_roles(id, &["editor"]).await.map(drop),
        Demotion::Disable => admin.set_disabled(id, true).await.map(drop),
        Demotion::Delete => admin.delete(id, "").await.map(drop),
    }
}

fn last_administrator() -> Refusal {
    Refusal::new(Code::FailedPrecondition, "LAST_ADMINISTRATOR")
}

const ENABLED: &str = "select count(*)::text from auth.users
    where 'admin' = any (roles) and not disabled and delete_time is null";

#[tokio::test]
async fn the_last_enabled_administrator_cannot_be_demoted_disabled_or_deleted() {
    let app = App::start().await;
    let ada = app.new_admin("ada").await;
    // Disabled and deleted administrators do not count.
    let [bob, eve] = [
        ada.create(new_user("bob", &["admin"])).await.unwrap(),
        ada.create(new_user("eve", &["admin"])).await.unwrap(),
    ];
    ada.set_disabled(&bob.id, true).await.unwrap();
    ada.delete(&eve.id, "").await.unwrap();
    for how in ALL {
        assert_eq!(refusal(demote(&ada, &ada.id, how).await), last_administrator(), "{how:?}");
    }
    // The session goes on, and other changes are made.
    ada.set_roles(&ada.id, &["admin"]).await.unwrap();
    ada.set_disabled(&bob.id, false).await.unwrap();
    demote(&ada, &ada.id, Demotion::Roles).await.unwrap();
    assert_eq!(app.query(ENABLED).await, "1");
}

#[tokio::test]
async fn of_two_concurrent_demotions_of_the_last_two_administrators_one_fails() {
    let app = App::start().await;
    for how in ALL.into_iter().cycle().take(9) {
        app.database.execute("delete from auth.users").await;
        let [ada, bob] = [app.new_admin("ada").await, app.new_admin("bob").await];
        let mut locks = app.lock_each_user().await;
        let demotions = [ada, bob]
            .map(|admin| tokio::spawn(async move { demote(&admin, &admin.id, how).await }));
        // Both statements have their snapshots then, in which both users are administrators.
        locks.eventually_block(2).await;
        locks.release().await;
        let [first, second] = demotions;
        let answers = [first.await.unwrap(), second.await.unwrap()];
        let refused: Vec<_> = answers.into_iter().filter(Result::is_err).map(refusal).collect();
        assert_eq!(refused, [last_administrator()], "{how:?}");
        assert_eq!(app.query(ENABLED).await, "1", "{how:?}");
    }
}

#[tokio::test]
async fn demotions_at_random_leave_an_administrator() {
    let app = App::start().await;
    for round in 0..5 {
        app.database.execute("delete from auth.users").await;
        let mut admins = Vec::new();
        for i in 0..4 {
            admins.push(app.new_admin(&format!("admin-{i}")).await);
        }
        let demotions = (0..16).map(|i| {
            let (admin, other) = (admins[i % 4].clone(), admins[(i / 4 + round) % 4].id.clone());
            tokio::spawn(async move { demote(&admin, &other, ALL[i % 3]).await })
        });
        for demotion in demotions.collect::<Vec<_>>() {
            if let Err(status) = demotion.await.unwrap() {
                assert_ne!(status.code(), Code::Internal, "{status}");
            }
        }
        assert_ne!(app.query(ENABLED).await, "0");
    }
}
