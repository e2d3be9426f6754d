"""The printed session from Python, with clients that grpcio-tools generates from the protos."""

import sys
import time

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
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
    delete = task_pb.DeleteTaskRequest(task_id=task.id)
    assert tasks.DeleteTask(delete, metadata=token).task == updated
    try:
        tasks.DeleteTask(delete, metadata=token)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    else:
        raise AssertionError("the task is still there")


main(*sys.argv[1:])
