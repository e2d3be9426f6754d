-- Owner: task-service. The rest of a task, a revision for each change, deletion that can be undone, and
-- creates that can be repeated.

alter table task.tasks
    -- Compared and sorted by code points, the same on every machine.
    alter column title type text collate "C",
    -- What a search looks through: title and description without their case, folded by the service, so
    -- that it does not depend on the database's locale.
    add column title_folded text collate "C",
    add column description_folded text collate "C",
    -- 1 low, 2 medium, 3 high, 4 urgent.
    add column priority smallint not null default 2,
    -- Sorted, each once.
    add column labels text[] collate "C" not null default '{}',
    -- The moment, or the beginning in UTC of the day, when it is due.
    add column due_time timestamptz,
    -- IANA name; absent if it is due all day.
    add column due_time_zone text,
    -- Of the owner's feed, when the task last changed. No two tasks of an owner have the same.
    add column revision bigint,
    add column delete_time timestamptz,
    -- When it may be removed for good.
    add column purge_time timestamptz,
    add constraint tasks_priority_check check (priority between 1 and 4),
    add constraint tasks_due_time_zone_check check (due_time_zone is null or due_time is not null),
    add constraint tasks_due_date_check
        check (due_time_zone is not null or extract(epoch from due_time) % 86400 = 0),
    add constraint tasks_purge_time_check check ((delete_time is null) = (purge_time is null));

update task.tasks as task
set title_folded = lower(upper(title)),
    description_folded = lower(upper(description)),
    revision = ranked.revision
from (
    select
        owner_id,
        id,
        row_number() over (partition by owner_id order by update_time, id) as revision
    from task.tasks
) as ranked
where task.owner_id = ranked.owner_id and task.id = ranked.id;

alter table task.tasks
    alter column title_folded set not null,
    alter column description_folded set not null,
    alter column revision set not null,
    -- A task that changes finds room on its page.
    set (fillfactor = 85);

-- One row for each owner, changed by the same statement as every write to the owner's tasks: it puts
-- all changes of an owner into one order, which is the order in which they become visible. After the
-- lock of a task, or of several by id, its lock is the last that a writer takes.
create table task.feeds (
    owner_id uuid not null,
    -- Counts the changes to the owner's tasks.
    revision bigint not null,
    -- The owner's tasks that are not deleted.
    task_count integer not null,
    -- The latest change that can no longer be told, since its task was purged: who knows the feed only
    -- up to an earlier one has to read everything anew.
    purged_revision bigint not null default 0,
    constraint feeds_pkey primary key (owner_id),
    constraint feeds_task_count_check check (task_count >= 0)
) with (fillfactor = 50);

insert into task.feeds (owner_id, revision, task_count)
select owner_id, count(*), count(*)
from task.tasks
group by owner_id;

-- Creates that may be repeated. What they created is known from these few columns and the request
-- itself, which has to be the same.
create table task.requests (
    owner_id uuid not null,
    -- The RPC.
    method text not null,
    -- Made up by the client.
    request_id uuid not null,
    -- SHA-256 of what was asked for.
    fingerprint bytea not null,
    task_ids uuid[] not null,
    -- Of the last of the tasks.
    revision bigint not null,
    create_time timestamptz not null,
    constraint requests_pkey primary key (owner_id, method, request_id)
);

create index requests_create_time_idx on task.requests (create_time);

-- One index for each field that a list can be ordered by; it serves both directions. A task without a
-- due time comes last in both, so its place differs: two indexes.
drop index task.tasks_owner_create_time_idx;
create index tasks_create_time_idx on task.tasks (owner_id, create_time, id)
    where delete_time is null;
create index tasks_update_time_idx on task.tasks (owner_id, update_time, id)
    where delete_time is null;
create index tasks_priority_idx on task.tasks (owner_id, priority, id)
    where delete_time is null;
create index tasks_title_idx on task.tasks (owner_id, title, id)
    where delete_time is null;
create index tasks_due_asc_idx on task.tasks (
    owner_id, coalesce(due_time, timestamptz '10000-01-01 00:00:00Z'), id
) where delete_time is null;
create index tasks_due_desc_idx on task.tasks (
    owner_id, coalesce(due_time, timestamptz '0001-01-01 00:00:00Z BC'), id
) where delete_time is null;

create index tasks_purge_time_idx on task.tasks (purge_time) where delete_time is not null;
