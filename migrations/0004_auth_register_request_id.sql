-- Owner: auth-service. Which request registered a user, so that it may be repeated.

alter table auth.users
    add column register_request_id uuid,
    add constraint users_register_request_id_key unique (register_request_id);
