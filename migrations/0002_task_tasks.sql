-- Owner: task-service. Tasks, each private to its owner.

create schema if not exists task;

-- Keyed by owner first, so that all an owner has lies together (and on one shard).
create table task.tasks (
    -- The `sub` claim of the owner's token. No foreign key: users may live in another database.
    owner_id uuid not null,
    id uuid not null,
    title text not null,
    description text not null,
    is_complete boolean not null,
    create_time timestamptz not null,
    update_time timestamptz not null,
    complete_time timestamptz,
    constraint tasks_pkey primary key (owner_id, id),
    constraint tasks_complete_time_check check (is_complete = (complete_time is not null))
);

-- The default order, newest first.
create index tasks_owner_create_time_idx on task.tasks (owner_id, create_time desc, id desc);

-- The key that authenticates page tokens, shared by all replicas. It guards no secret: every query is
-- scoped to the caller whatever the token says.
create table task.page_token_keys (
    key bytea not null,
    constraint page_token_keys_key_check check (length(key) = 32)
);

create unique index page_token_keys_single_idx on task.page_token_keys ((true));
