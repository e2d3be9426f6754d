//! The callers' access tokens, as header values: one for each owner.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use http::HeaderValue;
use shared::ids::UserId;
use test_support::TestKey;

use super::dataset::{Population, owner_id};
use crate::baselines::{seed, usual};

/// They are good for 10 minutes.
const RENEW_AFTER: Duration = Duration::from_mins(8);

/// The tokens of a population.
#[derive(Debug)]
pub(crate) struct Tokens {
    first: u64,
    values: Vec<HeaderValue>,
}

impl Tokens {
    /// The `authorization` of the owner with this number.
    pub(crate) fn of(&self, owner: u64) -> HeaderValue {
        let index = usize::try_from(owner - self.first).expect("owners fit into memory");
        self.values[index].clone()
    }
}

/// Signs tokens, and keeps the last ones of each kind for as long as they are good.
pub(crate) struct Signer {
    key: TestKey,
    kept: Vec<Kept>,
}

struct Kept {
    kind: Kind,
    first: u64,
    tokens: Arc<Tokens>,
    signed: Instant,
}

/// Who takes the tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// task-service: ES256.
    Tandem,
    /// The usual service: HS256.
    Usual,
    /// The seed: HS256.
    Seed,
}

impl Signer {
    pub(super) fn new(key: TestKey) -> Self {
        Self { key, kept: Vec::new() }
    }

    /// Tokens for all of these owners, which are good for at least two minutes.
    pub(crate) fn tokens(&mut self, kind: Kind, owners: Population) -> Arc<Tokens> {
        self.kept.retain(|kept| kept.signed.elapsed() < RENEW_AFTER);
        let enough = |kept: &&Kept| {
            kept.kind == kind
                && kept.first == owners.first
                && kept.tokens.values.len() as u64 >= owners.count
        };
        if let Some(kept) = self.kept.iter().find(enough) {
            return kept.tokens.clone();
        }
        let signed = Instant::now();
        let tokens = Arc::new(self.sign(kind, owners));
        self.kept.push(Kept { kind, first: owners.first, tokens: tokens.clone(), signed });
        tokens
    }

    fn sign(&self, kind: Kind, owners: Population) -> Tokens {
        let numbers: Vec<_> = (owners.first..owners.first + owners.count).collect();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let sign = |number: &u64| {
            let owner = owner_id(*number);
            let token = match kind {
                Kind::Tandem => self.key.token(UserId(owner)),
                Kind::Usual => usual::token(owner),
                Kind::Seed => seed::token(*number),
            };
            format!("Bearer {token}").try_into().expect("a token is ASCII")
        };
        let values = thread::scope(|scope| {
            let parts = numbers.chunks(numbers.len().div_ceil(threads));
            let parts: Vec<_> = parts
                .map(|part| scope.spawn(move || part.iter().map(sign).collect::<Vec<_>>()))
                .collect();
            let joined = parts.into_iter().map(|part| part.join().expect("signing does not panic"));
            joined.flatten().collect()
        });
        Tokens { first: owners.first, values }
    }
}
