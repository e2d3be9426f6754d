"""The printed session from Python, with clients that grpcio-tools generates from the protos."""

import sys
import time
import uuid

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from tandem.auth.v1 import auth_service_pb2 as auth_pb
from tandem.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from tandem.task.v1 import task_service_pb2 as task_pb
from tandem.task.v1.task_service_pb2_grpc import TaskServiceStub


def main(auth_address, task_address):
    auth = AuthServiceStub(grpc.insecure_channel(auth_address))
    tasks = TaskServiceStub(grpc.insecure_channel(task_address))

    login = {"username": f"grace-{time.time_ns()}", "password": "quiet-otter-sails-north"}
    user = auth.Register(auth_pb.RegisterRequest(**login)).user
    answer = auth.Login(auth_pb.LoginRequest(**login))
    assert answer.user == user
    token = (("authorization", f"Bearer {answer.tokens.access_token}"),)
    assert auth.GetCurrentUser(auth_pb.GetCurrentUserRequest(), metadata=token).user == user

    create = task_pb.CreateTaskRequest(task=task_pb.Task(title="Water the plants 🌱"))
    task = tasks.CreateTask(create, metadata=token).task
    listed = tasks.ListTasks(task_pb.ListTasksRequest(), metadata=token).tasks
    assert list(listed) == [task]
    update = task_pb.UpdateTaskRequest(
        task=task_pb.Task(id=task.id, is_complete=True), update_mask=FieldMask(paths=["is_complete"])
    )
    updated = tasks.UpdateTask(update, metadata=token).task
    assert updated.is_complete and updated.title == task.title
    stale = task_pb.DeleteTaskRequest(task_id=task.id, etag=task.etag)
    refused(grpc.StatusCode.ABORTED, tasks.DeleteTask, stale, token)
    delete = task_pb.DeleteTaskRequest(task_id=task.id, etag=updated.etag)
    assert tasks.DeleteTask(delete, metadata=token).task.HasField("purge_time")
    refused(grpc.StatusCode.FAILED_PRECONDITION, tasks.DeleteTask, delete, token)
    undelete = task_pb.UndeleteTaskRequest(task_id=task.id)
    back = tasks.UndeleteTask(undelete, metadata=token).task
    assert back.title == task.title and back.is_complete and not back.HasField("delete_time")

    due = task_pb.Due(date=Date(year=2026, month=12, day=24))
    item = task_pb.CreateTaskRequest(task=task_pb.Task(title="Decorate", labels=["b", "a"], due=due))
    batch = task_pb.BatchCreateTasksRequest(requests=[item] * 3, request_id=str(uuid.uuid4()))
    created = tasks.BatchCreateTasks(batch, metadata=token).tasks
    assert tasks.BatchCreateTasks(batch, metadata=token).tasks == created
    assert all(task.labels == ["a", "b"] and task.due == due for task in created)
    query = task_pb.ListTasksRequest(
        filter=task_pb.TaskFilter(labels=["a"]), order_by="due, title desc", page_size=2
    )
    found = []
    while True:
        page = tasks.ListTasks(query, metadata=token)
        found += page.tasks
        query.page_token = page.next_page_token
        if not query.page_token:
            break
    assert sorted(task.id for task in found) == sorted(task.id for task in created)


def refused(code, method, request, token):
    try:
        method(request, metadata=token)
    except grpc.RpcError as error:
        assert error.code() == code, error
    else:
        raise AssertionError(f"it is not refused with {code}")


main(*sys.argv[1:])
