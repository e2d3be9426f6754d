-- Creates two PostgreSQL roles: auth_service cannot read tasks, task_service cannot read users, and
-- neither can change the schema.
--
-- Run this in the services' database as the role that runs `migrate`, which owns the database and
-- needs CREATEROLE. It is idempotent, before or after `migrate`:
--   psql --set ON_ERROR_STOP=1 --file deploy/roles.sql "$OWNER_DATABASE_URL"
-- The roles have no password yet. psql's `\password auth_service` hashes it on the client, so it
-- appears in no log. Run the services with DATABASE_MIGRATE_ON_START=false.

do $$
begin
    if not exists (select from pg_roles where rolname = 'auth_service') then
        create role auth_service login;
    end if;
    if not exists (select from pg_roles where rolname = 'task_service') then
        create role task_service login;
    end if;
    -- By default every role can connect to any database and create temporary tables there.
    execute format('revoke all on database %I from public', current_database());
    execute format(
        'grant connect on database %I to auth_service, task_service', current_database()
    );
end
$$;

-- The default since PostgreSQL 15; a database created by an older version can differ.
revoke create on schema public from public;

create schema if not exists auth;
create schema if not exists task;
grant usage on schema auth to auth_service;
grant usage on schema task to task_service;

-- For existing tables, and for those of later migrations.
grant select, insert, update, delete on all tables in schema auth to auth_service;
grant select, insert, update, delete on all tables in schema task to task_service;
alter default privileges in schema auth
    grant select, insert, update, delete on tables to auth_service;
alter default privileges in schema task
    grant select, insert, update, delete on tables to task_service;

-- It holds the list of applied migrations: a service is not ready until the schema is new enough.
grant select on all tables in schema public to auth_service, task_service;
alter default privileges in schema public
    grant select on tables to auth_service, task_service;

-- The settings that the services request for each session, in case a pooler drops them.
alter role auth_service set statement_timeout = 3000;
alter role auth_service set lock_timeout = 1000;
alter role auth_service set idle_in_transaction_session_timeout = 5000;
alter role auth_service set synchronous_commit = on;
alter role auth_service set search_path = pg_catalog;
alter role auth_service set row_security = off;
alter role auth_service set client_connection_check_interval = 50;
alter role task_service set statement_timeout = 3000;
alter role task_service set lock_timeout = 1000;
alter role task_service set idle_in_transaction_session_timeout = 5000;
alter role task_service set synchronous_commit = on;
alter role task_service set search_path = pg_catalog;
alter role task_service set row_security = off;
alter role task_service set client_connection_check_interval = 50;
alter role task_service set plan_cache_mode = force_generic_plan;
alter role task_service set enable_seqscan = off;
alter role task_service set jit = off;
