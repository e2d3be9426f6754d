-- Owner: task-service. How far task-service has followed the account events of auth-service.

-- One row.
create table task.followed (
    -- Every event up to this sequence is applied.
    sequence bigint not null,
    -- When all events that auth-service had were last applied.
    caught_up_time timestamptz,
    -- The instance that follows, and until when others leave it alone.
    holder uuid,
    lease_expire_time timestamptz not null default '-infinity'
);

create unique index followed_single_idx on task.followed ((true));

insert into task.followed (sequence) values (0);
