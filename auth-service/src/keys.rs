//! The signing key of this process: loaded from the database, made there if it has none, and shown
//! to those who verify.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use shared::{
    auth::{Claims, Jwk, KeySet, Keys},
    error::Error,
    time,
};
use sqlx::PgPool;

use crate::{
    domain::{root_key::RootKey, signing_key::SigningKey},
    store::signing_keys,
};

/// What signs access tokens, and what verifies them.
#[derive(Default)]
pub(crate) struct SigningKeys {
    active: ArcSwapOption<SigningKey>,
    verifying: Arc<Keys>,
}

impl SigningKeys {
    /// Loads the key. The first instance to come to a new database makes it.
    pub(crate) async fn load(&self, db: &PgPool, root_key: &RootKey) -> Result<(), Error> {
        let sealed = match signing_keys::find(db).await? {
            Some(sealed) => sealed,
            None => {
                signing_keys::insert(db, &SigningKey::generate(root_key), time::now()).await?;
                signing_keys::find(db).await?.ok_or(Error::KeysUnavailable)?
            }
        };
        let key = SigningKey::open(&sealed, root_key).ok_or_else(|| {
            Error::Internal(
                "the root key does not open the signing key in the database: \
                 set AUTH_ROOT_KEY or AUTH_ROOT_KEY_FILE to the one it was made with"
                    .into(),
            )
        })?;
        let set = KeySet::from_jwks(std::slice::from_ref(key.jwk()))
            .map_err(|error| Error::Internal(error.into()))?;
        self.verifying.store(Some(Arc::new(set)));
        self.active.store(Some(Arc::new(key)));
        Ok(())
    }

    /// The public keys, as they are published.
    pub(crate) fn jwks(&self) -> Result<Vec<Jwk>, Error> {
        let active = self.active.load();
        let key = active.as_ref().ok_or(Error::KeysUnavailable)?;
        Ok(vec![key.jwk().clone()])
    }

    /// The keys that verify what [`sign`](Self::sign) makes.
    pub(crate) fn verifying(&self) -> Arc<Keys> {
        self.verifying.clone()
    }

    /// Signs an access token.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let active = self.active.load();
        Ok(active.as_ref().ok_or(Error::KeysUnavailable)?.sign(claims))
    }
}
