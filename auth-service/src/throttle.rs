//! Rate limits on logins, second factors, password changes and registrations, in the memory of this
//! process. An attempt is reserved before its work begins, so concurrent calls cannot exceed a
//! limit.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use shared::{error::Error, ids::UserId};
use tandem_server::metrics::Metrics;

use crate::{
    config::ThrottleConfig,
    domain::{
        client_address,
        session::Source,
        throttle::{Doubling, Steady},
        user::{User, Username},
    },
    events::{Entry, Event, Events},
};

mod limiter;

pub(crate) use limiter::Reservation;
use limiter::{Excess, Limiter};

/// The name or user whose password is guessed, hashed to a fixed size, and the source of the guess;
/// for a second factor the unspecified address, so that all sources count together.
type GuessKey = ([u8; SHA256_OUTPUT_LEN], IpAddr);

/// The limits of this process.
pub(crate) struct Throttles {
    login_sources: Arc<Limiter<Steady, IpAddr>>,
    login_names: Arc<Limiter<Doubling, GuessKey>>,
    register_sources: Arc<Limiter<Steady, IpAddr>>,
    events: Events,
}

impl Throttles {
    pub(crate) fn new(config: &ThrottleConfig, events: Events, metrics: &Metrics) -> Self {
        let entries = config.entries as usize;
        let [login_source, login_name, register_source] = metrics.counters(
            ("tandem_auth_throttle_refused_total", "Attempts rejected by a throttle."),
            "kind",
            ["login_source", "login_name", "register_source"],
        );
        let registrations = config.register_per_source();
        Self {
            login_sources: Limiter::new(config.login_per_source(), entries, login_source),
            login_names: Limiter::new(config.login_per_name(), entries, login_name),
            register_sources: Limiter::new(registrations, entries, register_source),
            events,
        }
    }

    /// Reserves a guess at a password by a login under this name. The name need not exist.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn login(&self, username: &Username, source: &Source) -> Result<Guess, Error> {
        let key = guess_key(&format!("name {username}"), source);
        self.guess(key, source).map_err(|excess| {
            let entry = Entry::anonymous(Event::LoginThrottled, source);
            // Only if an earlier guess has found the user. Otherwise the name may be a password.
            let user_id = self.login_names.identified(&key);
            let username = user_id.map(|_| username);
            self.too_many_attempts(&excess, &Entry { user_id, username, ..entry })
        })
    }

    /// Reserves a guess at the password of this user by a caller with an access token.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn user(&self, user: &User, source: &Source) -> Result<Guess, Error> {
        let key = guess_key(&format!("user {}", user.id), source);
        self.guess(key, source).map_err(|excess| {
            let entry = Entry::of_user(Event::LoginThrottled, user.id, source);
            self.too_many_attempts(&excess, &Entry { username: Some(&user.username), ..entry })
        })
    }

    /// Reserves a guess at the second factor of this user. It counts for the user, wherever it
    /// comes from: only a holder of the password or of a session can guess, so no stranger can lock
    /// the user out. A right password does not clear it, so a stolen password gains no more
    /// guesses.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn second_factor(&self, user_id: UserId, source: &Source) -> Result<Guess, Error> {
        let key = (hash(&format!("second factor of {user_id}")), Ipv6Addr::UNSPECIFIED.into());
        self.guess(key, source).map_err(|excess| {
            let entry = Entry::of_user(Event::LoginThrottled, user_id, source);
            self.too_many_attempts(&excess, &entry)
        })
    }

    /// Reserves an attempt with a token that only this service can make. Keep it if the token is
    /// forged.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn token(&self, source: &Source) -> Result<Reservation<Steady, IpAddr>, Error> {
        let address = client_address::source(source.ip_address);
        self.login_sources.reserve(address).map_err(|excess| {
            let entry = Entry::anonymous(Event::LoginThrottled, source);
            self.too_many_attempts(&excess, &entry)
        })
    }

    fn guess(&self, key: GuessKey, source: &Source) -> Result<Guess, Excess> {
        // The source first: a throttled source adds no entries for names.
        let address = client_address::source(source.ip_address);
        let source = self.login_sources.reserve(address)?;
        let name = self.login_names.reserve(key)?;
        Ok(Guess { source, name })
    }

    /// Reserves a registration; `None` if it comes from this machine, which is not limited.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn register(&self, source: &Source) -> Result<Option<Registration>, Error> {
        if source.is_local {
            return Ok(None);
        }
        let entry = Entry::anonymous(Event::RegisterThrottled, source);
        let reject = |excess| self.too_many_attempts(&excess, &entry);
        let address = client_address::source(source.ip_address);
        let choice = self.login_sources.reserve(address).map_err(reject)?;
        let user = self.register_sources.reserve(address).map_err(reject)?;
        Ok(Some(Registration { choice, user }))
    }

    fn too_many_attempts(&self, excess: &Excess, entry: &Entry<'_>) -> Error {
        if excess.should_log {
            self.events.record(entry);
        }
        Error::TooManyAttempts { wait: excess.wait }
    }
}

fn hash(key: &str) -> [u8; SHA256_OUTPUT_LEN] {
    digest(&SHA256, key.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn guess_key(name: &str, source: &Source) -> GuessKey {
    (hash(name), client_address::source(source.ip_address))
}

/// A reserved registration. Dropping it releases what is not kept.
pub(crate) struct Registration {
    choice: Reservation<Steady, IpAddr>,
    user: Reservation<Steady, IpAddr>,
}

impl Registration {
    /// Counts the choice of a password as a wrong guess: rating a password can take longer than
    /// hashing it.
    pub(crate) fn count_choice(&mut self) {
        self.choice.keep();
    }

    /// Counts a new user instead of the choice of a password.
    pub(crate) fn count_user(&mut self) {
        self.choice.release();
        self.user.keep();
    }

    /// Counts nothing: the registration failed through no fault of the caller.
    pub(crate) fn release_user(&mut self) {
        self.user.release();
    }
}

/// A reserved guess at a password. Dropping it releases what is not kept.
pub(crate) struct Guess {
    source: Reservation<Steady, IpAddr>,
    name: Reservation<Doubling, GuessKey>,
}

impl Guess {
    /// Counts the choice of another password, in the same call, as a wrong guess.
    pub(crate) fn count_choice(&mut self) {
        self.source.keep();
    }

    /// Keeps the user that has the guessed name, if any, for later events.
    pub(crate) fn identify(&mut self, user_id: Option<UserId>) {
        self.name.identify(user_id);
    }

    /// Counts the guess as wrong until [`settle_right`](Self::settle_right).
    pub(crate) fn count(&mut self) {
        self.source.keep();
        self.name.keep();
    }

    /// Counts the guess as right. Earlier guesses at other names from this source still count.
    /// Otherwise an attacker could clear them by logging in to an account of their own.
    pub(crate) fn settle_right(mut self) {
        self.source.release();
        self.name.forget();
    }
}
