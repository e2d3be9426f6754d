//! The sessions of a user whose account changes, as a state machine: random logins, refreshes and
//! administration, each answer compared with a model of the rule.

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use test_support::refusal;

use crate::support::{
    Admin, App, Login, PASSWORD, credentials_invalid, new_user, reset_token_invalid,
    unauthenticated,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Login,
    /// A session is refreshed and used: 0 is the newest, 1 the one before, and so on.
    Use {
        age: usize,
    },
    SetDisabled(bool),
    SetEditor(bool),
    Delete,
    Undelete,
    RevokeSessions,
    /// An administrator creates a reset token, and the user sets another password with it.
    Reset,
}

/// The account and its sessions, in the simplest form.
#[derive(Default)]
struct Model {
    is_disabled: bool,
    is_editor: bool,
    is_deleted: bool,
    resets: usize,
    sessions: Vec<Session>,
}

struct Session {
    login: Login,
    is_alive: bool,
}

impl Model {
    fn password(&self) -> &'static str {
        [PASSWORD, "brisk-lantern-over-harbour"][self.resets % 2]
    }

    fn end_all(&mut self) {
        self.sessions.iter_mut().for_each(|session| session.is_alive = false);
    }

    /// Sets a field of the account by an update, which a deleted user does not admit.
    fn update(&mut self, field: fn(&mut Self) -> &mut bool, value: bool) -> Option<&'static str> {
        if self.is_deleted {
            return Some("USER_DELETED");
        }
        if *field(self) != value {
            *field(self) = value;
            self.end_all();
        }
        None
    }

    fn delete(&mut self, deletes: bool) -> Option<&'static str> {
        if self.is_deleted == deletes {
            return Some(if deletes { "USER_DELETED" } else { "USER_NOT_DELETED" });
        }
        self.is_deleted = deletes;
        self.end_all();
        None
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Login),
        6 => (0_usize..4).prop_map(|age| Step::Use { age }),
        3 => any::<bool>().prop_map(Step::SetDisabled),
        2 => any::<bool>().prop_map(Step::SetEditor),
        1 => Just(Step::Delete),
        2 => Just(Step::Undelete),
        1 => Just(Step::RevokeSessions),
        2 => Just(Step::Reset),
    ];
    prop::collection::vec(step, 1..24)
}

#[tokio::test]
async fn the_sessions_of_a_changing_account_match_the_model() {
    // Resets of disabled users are rejected, and count for the address.
    let app = App::with(&["--login-attempts-per-source", "1000"]).await;
    let admin = app.new_admin("ada").await;
    let mut runner = TestRunner::default();
    for run in 0..30 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let username = format!("user-{run}");
        let id = admin.create(new_user(&username, &[])).await.unwrap().id;
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::Login => log_in(&app, &mut model, &username, &steps).await,
                Step::Use { age } => use_session(&app, &mut model, *age, &steps).await,
                Step::Reset => reset(&app, &admin, &mut model, &id, &steps).await,
                step => administer(&admin, &mut model, &id, *step, &steps).await,
            }
        }
    }
}

async fn log_in(app: &App, model: &mut Model, username: &str, steps: &[Step]) {
    let answer = app.try_log_in(username, model.password()).await;
    if model.is_disabled || model.is_deleted {
        assert_eq!(refusal(answer), credentials_invalid(), "{steps:?}");
        return;
    }
    let tokens = answer.unwrap_or_else(|status| panic!("{status} in {steps:?}"));
    let tokens = tokens.into_inner().tokens().expect("tokens are returned");
    let login = Login { client: app.client(), tokens };
    model.sessions.push(Session { login, is_alive: true });
}

async fn use_session(app: &App, model: &mut Model, age: usize, steps: &[Step]) {
    let is_editor = model.is_editor;
    let Some(session) = model.sessions.iter_mut().rev().nth(age) else { return };
    let refreshed = session.login.refresh().await;
    if !session.is_alive {
        let invalid = unauthenticated("REFRESH_TOKEN_INVALID");
        assert_eq!(refusal(refreshed), invalid, "{steps:?}");
        let answer = app.current_user(&session.login.tokens.access_token).await;
        assert_eq!(refusal(answer), unauthenticated("ACCESS_TOKEN_INVALID"), "{steps:?}");
        return;
    }
    session.login = refreshed.unwrap_or_else(|status| panic!("{status} in {steps:?}"));
    let user = app.current_user(&session.login.tokens.access_token).await;
    let user = user.expect("the session is alive").into_inner().user.expect("a user is returned");
    assert_eq!(user.roles.contains(&"editor".to_owned()), is_editor, "{steps:?}");
}

async fn reset(app: &App, admin: &Admin, model: &mut Model, id: &str, steps: &[Step]) {
    let created = admin.reset_token(id).await;
    if model.is_deleted {
        assert_eq!(refusal(created).reason, "USER_DELETED", "{steps:?}");
        return;
    }
    let token = created.unwrap_or_else(|status| panic!("{status} in {steps:?}")).reset_token;
    model.resets += 1;
    let answer = app.reset_password(&token, model.password()).await;
    if model.is_disabled {
        assert_eq!(refusal(answer), reset_token_invalid(), "{steps:?}");
        model.resets -= 1;
        return;
    }
    answer.unwrap_or_else(|status| panic!("{status} in {steps:?}"));
    model.end_all();
}

async fn administer(admin: &Admin, model: &mut Model, id: &str, step: Step, steps: &[Step]) {
    let (answer, expected) = match step {
        Step::SetDisabled(disabled) => (
            admin.set_disabled(id, disabled).await.map(drop),
            model.update(|model| &mut model.is_disabled, disabled),
        ),
        Step::SetEditor(editor) => {
            let roles: &[&str] = if editor { &["editor"] } else { &[] };
            let answer = admin.set_roles(id, roles).await.map(drop);
            (answer, model.update(|model| &mut model.is_editor, editor))
        }
        Step::Delete => (admin.delete(id, "").await.map(drop), model.delete(true)),
        Step::Undelete => (admin.undelete(id).await.map(drop), model.delete(false)),
        Step::RevokeSessions | Step::Login | Step::Use { .. } | Step::Reset => {
            let alive = model.sessions.iter().filter(|session| session.is_alive).count();
            let revoked = admin.revoke_sessions(id).await;
            let count = revoked.as_ref().ok().and_then(|count| usize::try_from(*count).ok());
            assert_eq!(count, Some(alive), "{steps:?}");
            model.end_all();
            (revoked.map(drop), None)
        }
    };
    match expected {
        None => answer.unwrap_or_else(|status| panic!("{status} in {steps:?}")),
        Some(reason) => assert_eq!(refusal(answer).reason, reason, "{steps:?}"),
    }
}
