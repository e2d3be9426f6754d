-- no-transaction
-- Owner: task-service. Every write paid for this index, and few lists used it: they sort the owner's tasks.

drop index concurrently if exists task.tasks_update_time_idx;
