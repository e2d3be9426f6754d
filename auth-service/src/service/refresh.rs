//! The exchange of refresh tokens.

use proto::auth::v1 as pb;
use shared::{error::Error, time};

use super::Auth;
use crate::{
    domain::session::{Refreshed, Source},
    events::{Entry, Event},
    store::sessions,
};

impl Auth {
    /// The next tokens of the session of a refresh token.
    pub(super) async fn refresh(
        &self,
        refresh_token: &str,
        source: &Source,
    ) -> Result<pb::TokenPair, Error> {
        let token = self.tokens.open(refresh_token)?;
        match sessions::refresh(&self.db, token, self.sessions).await? {
            Refreshed::Active(active) => self.tokens.issue(active, time::now()),
            Refreshed::Reused { user_id, username } => {
                self.events.record(&Entry {
                    user_id: Some(user_id),
                    username: Some(&username),
                    session_id: Some(token.session_id),
                    ..Entry::anonymous(Event::RefreshTokenReused, source)
                });
                Err(Error::RefreshTokenReused)
            }
        }
    }
}
