//! Access tokens as header values, one for each owner.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use http::HeaderValue;

use super::dataset::Population;

/// Tokens are valid for 10 minutes.
const RENEW_AFTER: Duration = Duration::from_mins(8);

/// The tokens of a population.
#[derive(Debug)]
pub(crate) struct Tokens {
    first: u64,
    values: Vec<HeaderValue>,
}

impl Tokens {
    /// The `authorization` header of the owner with this number.
    pub(crate) fn of(&self, owner: u64) -> HeaderValue {
        let index = usize::try_from(owner - self.first).expect("owners fit into memory");
        self.values[index].clone()
    }

    fn sign(owners: Population, sign: impl Fn(u64) -> String + Sync) -> Self {
        let numbers: Vec<_> = (owners.first..owners.first + owners.count).collect();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let sign = |number: &u64| -> HeaderValue {
            format!("Bearer {}", sign(*number)).try_into().expect("a token is ASCII")
        };
        let values = thread::scope(|scope| {
            let parts = numbers.chunks(numbers.len().div_ceil(threads));
            let parts: Vec<_> = parts
                .map(|part| scope.spawn(move || part.iter().map(sign).collect::<Vec<_>>()))
                .collect();
            let joined = parts.into_iter().map(|part| part.join().expect("signing does not panic"));
            joined.flatten().collect()
        });
        Self { first: owners.first, values }
    }
}

/// The tokens of one system. Signing 100,000 of them takes seconds.
#[derive(Default)]
pub(crate) struct TokenCache {
    entries: Vec<(Instant, Arc<Tokens>)>,
}

impl TokenCache {
    /// Tokens of all these owners, valid for at least two minutes.
    pub(crate) fn tokens(
        &mut self,
        owners: Population,
        sign: impl Fn(u64) -> String + Sync,
    ) -> Arc<Tokens> {
        self.entries.retain(|(signed, _)| signed.elapsed() < RENEW_AFTER);
        let has_all = |tokens: &Tokens| {
            tokens.first == owners.first && tokens.values.len() as u64 >= owners.count
        };
        if let Some((_, tokens)) = self.entries.iter().find(|(_, tokens)| has_all(tokens)) {
            return tokens.clone();
        }
        let signed = Instant::now();
        let tokens = Arc::new(Tokens::sign(owners, sign));
        self.entries.push((signed, tokens.clone()));
        tokens
    }
}
