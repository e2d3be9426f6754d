-- Owner: task-service. What an owner's tasks count against the byte quota.

alter table task.feeds
    -- Of the owner's tasks, deleted ones included. Null until it is counted: task-service counts when the
    -- owner next needs it, so that this migration reads no tasks.
    add column task_bytes bigint;
