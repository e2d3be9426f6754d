//! The program is killed at any moment: what it has acknowledged holds when it runs again.

use std::time::Duration;

use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use test_support::refusal;
use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, Status, transport::Channel};

use crate::support::{Login, PASSWORD, Program, database, settings};

const ROUNDS: usize = 6;
const USERS: usize = 6;

/// What one user knows of their account.
struct Account {
    client: AuthServiceClient<Channel>,
    username: String,
    /// The password; two while it is unknown whether the last change was done.
    passwords: Vec<String>,
    former_password: Option<String>,
    alive: Vec<Login>,
    ended: Vec<Login>,
    changes: usize,
}

impl Account {
    async fn register(mut client: AuthServiceClient<Channel>, username: String) -> Self {
        let request = pb::RegisterRequest {
            username: username.clone(),
            password: PASSWORD.into(),
            ..Default::default()
        };
        client.register(request).await.expect("the user is registered");
        let passwords = vec![PASSWORD.to_owned()];
        let (former_password, alive, ended) = (None, Vec::new(), Vec::new());
        Self { client, username, passwords, former_password, alive, ended, changes: 0 }
    }

    async fn log_in(&self, password: &str) -> Result<Login, Status> {
        let (username, password) = (self.username.clone(), password.to_owned());
        let answer = self.client.clone().login(pb::LoginRequest { username, password }).await?;
        let tokens = answer.into_inner().tokens.expect("tokens are returned");
        Ok(Login { client: self.client.clone(), tokens })
    }

    /// Changes something, again and again, until the program is gone.
    async fn work(mut self) -> Self {
        loop {
            if let Err(status) = self.change_something().await {
                let lost = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal];
                assert!(lost.contains(&status.code()) && status.details().is_empty(), "{status:?}");
                return self;
            }
            self.changes += 1;
        }
    }

    async fn change_something(&mut self) -> Result<(), Status> {
        let count = self.alive.len();
        if count < 2 {
            let login = self.log_in(&self.passwords[0]).await?;
            self.alive.push(login);
            return Ok(());
        }
        // From here on: where no answer comes, nothing is known of the session that was to end.
        let chosen = fastrand::usize(..count);
        match fastrand::u8(..if count < 8 { 7 } else { 5 }) {
            0 => {
                let leaving = self.alive.swap_remove(chosen);
                leaving.log_out().await?;
                self.ended.push(leaving);
            }
            1 => {
                let revoked = self.alive.swap_remove(chosen);
                self.alive[0].revoke(&revoked.session_id()).await?;
                self.ended.push(revoked);
            }
            2 => {
                let others = self.all_but(chosen);
                self.alive[0].revoke_others().await?;
                self.ended.extend(others);
            }
            3 => {
                let others = self.all_but(chosen);
                let [old, new] =
                    [self.passwords[0].clone(), format!("{PASSWORD}-{}", fastrand::u64(..))];
                self.passwords.push(new.clone());
                self.alive[0].change_password(&old, &new).await?;
                (self.passwords, self.former_password) = (vec![new], Some(old));
                self.ended.extend(others);
            }
            4 | 5 => self.alive[chosen] = self.alive[chosen].refresh().await?,
            _ => {
                let login = self.log_in(&self.passwords[0]).await?;
                self.alive.push(login);
            }
        }
        Ok(())
    }

    /// Leaves one session, and returns the others.
    fn all_but(&mut self, chosen: usize) -> Vec<Login> {
        let kept = self.alive.swap_remove(chosen);
        std::mem::replace(&mut self.alive, vec![kept])
    }

    /// Checks all that was acknowledged, with the program that runs now.
    async fn check(&mut self, client: AuthServiceClient<Channel>) {
        self.client = client;
        for login in self.alive.iter_mut().chain(&mut self.ended) {
            login.client = self.client.clone();
        }
        for login in &self.ended {
            let refused = refusal(login.refresh().await);
            assert_eq!(refused.reason, "REFRESH_TOKEN_INVALID", "{}", self.username);
        }
        for login in &mut self.alive {
            *login = login.refresh().await.expect("an acknowledged session goes on");
        }
        if let Some(former) = &self.former_password {
            let refused = refusal(self.log_in(former).await);
            assert_eq!(refused.reason, "CREDENTIALS_INVALID", "{}", self.username);
        }
        let mut right = Vec::new();
        for password in &self.passwords {
            if let Ok(login) = self.log_in(password).await {
                login.log_out().await.expect("it is logged out");
                right.push(password.clone());
            }
        }
        assert_eq!(right.len(), 1, "{} has one password", self.username);
        self.passwords = right;
        self.ended.clear();
    }
}

#[tokio::test]
async fn what_was_acknowledged_holds_after_a_kill_at_any_moment() {
    let database = database().await;
    let mut program = Program::start(&settings(&database));
    program.eventually_ready().await;
    let mut accounts = Vec::new();
    for i in 0..USERS {
        accounts.push(Account::register(client(&program).await, format!("user-{i}")).await);
    }
    for _ in 0..ROUNDS {
        let working = accounts.into_iter().map(Account::work).collect::<JoinSet<_>>();
        sleep(Duration::from_millis(fastrand::u64(100..500))).await;
        program.kill().await;
        accounts = working.join_all().await;

        program = Program::start(&settings(&database));
        program.eventually_ready().await;
        let client = client(&program).await;
        for account in &mut accounts {
            account.check(client.clone()).await;
        }
    }
    let changes: usize = accounts.iter().map(|account| account.changes).sum();
    assert!(changes > ROUNDS * USERS, "only {changes} changes were acknowledged");
}

async fn client(program: &Program) -> AuthServiceClient<Channel> {
    let url = format!("http://{}", program.address().await);
    AuthServiceClient::connect(url).await.expect("the program answers")
}
