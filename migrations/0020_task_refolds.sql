-- Owner: task-service. The form of texts for searches changes: task-service refolds stored texts in the
-- background, since the rules of Unicode are in the service.

-- The passes over all tasks that are still to be made. A pass that is complete is deleted.
create table task.refolds (
    pass smallint not null,
    -- The pass begins when the database's clock reaches this time.
    begin_time timestamptz not null,
    -- The key of the last task that is done.
    owner_id uuid not null default '00000000-0000-0000-0000-000000000000',
    id uuid not null default '00000000-0000-0000-0000-000000000000',
    constraint refolds_pkey primary key (pass)
);

-- The second pass finds what instances of the previous version write until they are replaced.
insert into task.refolds (pass, begin_time)
select pass, current_timestamp + (pass - 1) * interval '1 day'
from generate_series(1, 2) as pass
where exists (select from task.tasks);
