-- Owner: auth-service. People and what proves who they are.

create schema if not exists auth;

create table auth.users (
    id uuid not null,
    username text not null,
    -- bcrypt in modular crypt format; the cost is in it.
    password_hash text not null,
    create_time timestamptz not null,
    update_time timestamptz not null,
    constraint users_pkey primary key (id),
    -- Usernames are lower-cased before they are stored.
    constraint users_username_key unique (username)
);

-- The P-256 keys that sign access tokens. The public half is derived from the private one, so that
-- nobody who can only write here can publish a key of their own.
create table auth.signing_keys (
    -- RFC 7638 thumbprint of the public key.
    kid text not null,
    -- PKCS #8, sealed with AES-256-GCM under a key derived from the root key, which is never stored
    -- here: nonce, ciphertext, tag. The kid is authenticated with it.
    sealed_private_key bytea not null,
    create_time timestamptz not null,
    constraint signing_keys_pkey primary key (kid)
);

-- Instances that start at once agree on one key: the first to insert wins.
create unique index signing_keys_single_idx on auth.signing_keys ((true));
