-- no-transaction
-- Owner: auth-service. Lists of all users by creation.

create index concurrently if not exists users_create_time_idx on auth.users (create_time, id);
