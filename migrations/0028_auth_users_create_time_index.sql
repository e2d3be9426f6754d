-- Owner: auth-service. Lists of all users by creation.

create index users_create_time_idx on auth.users (create_time, id);
