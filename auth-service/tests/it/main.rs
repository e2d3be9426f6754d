//! The tests of auth-service: the real server on a real socket, a database for each test.

mod registration {
    mod register;
    mod request_id;
}

mod passwords {
    mod change;
    mod cost;
    mod login;
    mod spellings;
}

mod sessions {
    mod account_model;
    mod list_and_revoke;
    mod refresh;
    mod refresh_model;
    mod source;
}

mod administration {
    mod access;
    mod concurrency;
    mod create;
    mod last_administrator;
    mod list;
    mod sessions;
    mod update;
}

mod access_tokens {
    mod claims;
    mod verification;
}

mod keys {
    mod at_rest;
    mod published;
    mod rotation;
}

mod audit {
    mod account_events;
    mod faults;
    mod lists;
    mod purge;
    mod recorded;
}

mod throttling {
    mod attempts;
    mod hashing_queue;
}

mod faults {
    mod database_errors;
    mod database_outage;
    mod kills;
    mod settings;
}

mod connections {
    mod limits;
    mod slow_peers;
    mod tls;
}

mod wire {
    mod deadlines;
    mod host;
    mod messages;
    mod reflection;
}

mod http;

mod operations {
    mod drain;
    mod health;
    mod log;
    mod metrics;
    mod probes;
    mod trace;
}

mod configuration;
mod core_dumps;
mod key_commands;
mod program;
mod support;
