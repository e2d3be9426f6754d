-- Two roles of PostgreSQL: auth_service cannot read tasks, task_service cannot read users, and
-- neither can change the schema.
--
-- Run this in the services' database as the role that runs `migrate`, which owns the database and
-- may create roles; before `migrate` or after it, as often as you like:
--   psql --set ON_ERROR_STOP=1 --file deploy/roles.sql "$OWNER_DATABASE_URL"
-- A role has no password until it gets one. psql's `\password auth_service` hashes it before it is
-- sent, so that it is in no log. The services then need DATABASE_MIGRATE_ON_START=false.

do $$
begin
    if not exists (select from pg_roles where rolname = 'auth_service') then
        create role auth_service login;
    end if;
    if not exists (select from pg_roles where rolname = 'task_service') then
        create role task_service login;
    end if;
    -- By default everybody may connect to any database, and make temporary tables there.
    execute format('revoke all on database %I from public', current_database());
    execute format(
        'grant connect on database %I to auth_service, task_service', current_database()
    );
end
$$;

-- The default since PostgreSQL 15; a database that is older may have it otherwise.
revoke create on schema public from public;

create schema if not exists auth;
create schema if not exists task;
grant usage on schema auth to auth_service;
grant usage on schema task to task_service;

-- Of the tables that are here, and of those that later migrations will make.
grant select, insert, update, delete on all tables in schema auth to auth_service;
grant select, insert, update, delete on all tables in schema task to task_service;
alter default privileges in schema auth
    grant select, insert, update, delete on tables to auth_service;
alter default privileges in schema task
    grant select, insert, update, delete on tables to task_service;

-- The list of applied migrations is there: a service is not ready until the schema is new enough.
grant select on all tables in schema public to auth_service, task_service;
alter default privileges in schema public
    grant select on tables to auth_service, task_service;

-- What the services ask of each session, for where a connection pooler drops it.
alter role auth_service set statement_timeout = 3000;
alter role auth_service set lock_timeout = 1000;
alter role auth_service set idle_in_transaction_session_timeout = 5000;
alter role auth_service set synchronous_commit = on;
alter role task_service set statement_timeout = 3000;
alter role task_service set lock_timeout = 1000;
alter role task_service set idle_in_transaction_session_timeout = 5000;
alter role task_service set synchronous_commit = on;
alter role task_service set plan_cache_mode = force_generic_plan;
alter role task_service set enable_seqscan = off;
alter role task_service set jit = off;
