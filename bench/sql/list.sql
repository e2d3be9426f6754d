\set owner random(:first_owner, :last_owner)
select
    id, title, description, is_complete, priority, labels, due_time, due_time_zone, revision,
    revision as previous_revision, create_time, update_time, complete_time, delete_time, purge_time
from task.tasks
where owner_id = ('00000000-0000-7000-8000-' || lpad(:owner::text, 12, '0'))::uuid
    and delete_time is null
order by create_time desc, id desc
limit 51;
