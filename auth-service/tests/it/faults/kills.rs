//! SIGKILL at random moments: after a restart, every acknowledged change holds.

use std::time::Duration;

use proto::auth::v1::auth_service_client::AuthServiceClient;
use test_support::refusal;
use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, Status, transport::Channel};

use crate::support::{Login, PASSWORD, credentials, database, registration, serve};

const ROUNDS: usize = 6;
const USERS: usize = 6;

/// A user's knowledge of their account.
struct User {
    client: AuthServiceClient<Channel>,
    username: String,
    /// The password; two while the outcome of the last change is unknown.
    passwords: Vec<String>,
    former_password: Option<String>,
    alive: Vec<Login>,
    ended: Vec<Login>,
    changes: usize,
}

impl User {
    async fn register(mut client: AuthServiceClient<Channel>, username: String) -> Self {
        let request = registration(&username, PASSWORD);
        client.register(request).await.expect("registration succeeds");
        let passwords = vec![PASSWORD.to_owned()];
        let (former_password, alive, ended) = (None, Vec::new(), Vec::new());
        Self { client, username, passwords, former_password, alive, ended, changes: 0 }
    }

    async fn log_in(&self, password: &str) -> Result<Login, Status> {
        let answer = self.client.clone().login(credentials(&self.username, password)).await?;
        let tokens = answer.into_inner().tokens().expect("tokens are returned");
        Ok(Login { client: self.client.clone(), tokens })
    }

    /// Makes random changes until the program is killed.
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
        // A session that should end belongs to neither list while its call has no answer.
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

    /// Removes all sessions but one, and returns them.
    fn all_but(&mut self, chosen: usize) -> Vec<Login> {
        let kept = self.alive.swap_remove(chosen);
        std::mem::replace(&mut self.alive, vec![kept])
    }

    /// Checks every acknowledged change against the restarted program.
    async fn check(&mut self, client: AuthServiceClient<Channel>) {
        self.client = client;
        for login in self.alive.iter_mut().chain(&mut self.ended) {
            login.client = self.client.clone();
        }
        for login in &self.ended {
            let error = refusal(login.refresh().await);
            assert_eq!(error.reason, "REFRESH_TOKEN_INVALID", "{}", self.username);
        }
        for login in &mut self.alive {
            *login = login.refresh().await.expect("an acknowledged session continues");
        }
        if let Some(former) = &self.former_password {
            let error = refusal(self.log_in(former).await);
            assert_eq!(error.reason, "CREDENTIALS_INVALID", "{}", self.username);
        }
        let mut right = Vec::new();
        for password in &self.passwords {
            if let Ok(login) = self.log_in(password).await {
                login.log_out().await.expect("logout succeeds");
                right.push(password.clone());
            }
        }
        assert_eq!(right.len(), 1, "passwords of {}", self.username);
        self.passwords = right;
        self.ended.clear();
    }
}

#[tokio::test]
async fn acknowledged_changes_survive_a_kill_at_any_moment() {
    let database = database().await;
    let mut program = serve(&database, &[]).await;
    let mut client = AuthServiceClient::new(program.channel().await);
    let mut users = Vec::new();
    for i in 0..USERS {
        users.push(User::register(client.clone(), format!("user-{i}")).await);
    }
    for _ in 0..ROUNDS {
        let working = users.into_iter().map(User::work).collect::<JoinSet<_>>();
        sleep(Duration::from_millis(fastrand::u64(100..500))).await;
        program.kill().await;
        users = working.join_all().await;

        program = serve(&database, &[]).await;
        client = AuthServiceClient::new(program.channel().await);
        for user in &mut users {
            user.check(client.clone()).await;
        }
    }
    let changes: usize = users.iter().map(|user| user.changes).sum();
    assert!(changes > ROUNDS * USERS, "only {changes} changes were acknowledged");
}
