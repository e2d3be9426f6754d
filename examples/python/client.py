"""A complete client of Tandem: `./run <auth-service> <task-service>`. See README.md."""

import json
import sys
import time
import uuid

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import ErrorInfo
from google.type.date_pb2 import Date
from grpc_status import rpc_status
from tandem.auth.v1 import auth_service_pb2 as auth_pb
from tandem.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from tandem.task.v1 import task_service_pb2 as task_pb
from tandem.task.v1.task_service_pb2_grpc import TaskServiceStub

# After UNAVAILABLE a change may have been applied. Retry all calls, as here, only if every change
# has a `request_id` or an etag, or is idempotent.
RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
SERVICE_CONFIG = {
    "methodConfig": [{"name": [{}], "retryPolicy": RETRY_POLICY, "timeout": "10s"}],
}


def connect(address):
    """A channel that retries, and gives every call a deadline of 10 seconds."""
    # In production: grpc.secure_channel(address, grpc.ssl_channel_credentials(), options).
    return grpc.insecure_channel(address, [("grpc.service_config", json.dumps(SERVICE_CONFIG))])


def reason(error):
    """The ErrorReason of a failed call, without its prefix, and the metadata beside it."""
    for detail in rpc_status.from_call(error).details:
        info = ErrorInfo()
        if detail.Unpack(info):
            return info.reason, info.metadata
    return None, {}


class Session:
    """A logged-in user: keeps the tokens and refreshes them."""

    def __init__(self, auth, username, password):
        self.auth = auth
        login = auth.Login(auth_pb.LoginRequest(username=username, password=password))
        self.user, self.tokens = login.user, login.tokens

    def refresh(self):
        request = auth_pb.RefreshTokenRequest(refresh_token=self.tokens.refresh_token)
        self.tokens = self.auth.RefreshToken(request).tokens

    def metadata(self):
        """The metadata of a call, with an access token that is valid for another minute."""
        if self.tokens.access_token_expire_time.ToSeconds() < time.time() + 60:
            self.refresh()
        return (("authorization", f"Bearer {self.tokens.access_token}"),)


class Tasks:
    """The tasks of the user of a session."""

    def __init__(self, address, session):
        self.stub, self.session = TaskServiceStub(connect(address)), session

    def call(self, method, request):
        return getattr(self.stub, method)(request, metadata=self.session.metadata())

    def create(self, **fields):
        # The retry policy repeats the call with the same id, so that it creates one task.
        request_id = str(uuid.uuid4())
        request = task_pb.CreateTaskRequest(task=task_pb.Task(**fields), request_id=request_id)
        return self.call("CreateTask", request).task

    def complete(self, task):
        """Completes this version of a task; fails if another client has changed it."""
        change = task_pb.Task(id=task.id, etag=task.etag, is_complete=True)
        mask = FieldMask(paths=["is_complete"])
        request = task_pb.UpdateTaskRequest(task=change, update_mask=mask)
        return self.call("UpdateTask", request).task

    def delete(self, task):
        request = task_pb.DeleteTaskRequest(task_id=task.id, etag=task.etag)
        return self.call("DeleteTask", request).task

    def undelete(self, task):
        return self.call("UndeleteTask", task_pb.UndeleteTaskRequest(task_id=task.id)).task

    def list(self, **query):
        """Yields all matching tasks, page by page."""
        request = task_pb.ListTasksRequest(**query)
        while True:
            page = self.call("ListTasks", request)
            yield from page.tasks
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def main(auth_address, task_address):
    auth = AuthServiceStub(connect(auth_address))
    username, password = f"grace-{time.time_ns()}", "quiet-otter-sails-north"
    register = auth_pb.RegisterRequest(
        username=username, password=password, request_id=str(uuid.uuid4())
    )
    user = auth.Register(register).user
    assert auth.Register(register).user == user, "a retry returns the same user"
    session = Session(auth, username, password)
    assert session.user == user
    session.refresh()
    me = auth.GetCurrentUser(auth_pb.GetCurrentUserRequest(), metadata=session.metadata())
    assert me.user == user
    print("logged in as", user.username)

    tasks = Tasks(task_address, session)
    task = tasks.create(title="Water the plants 🌱")
    assert list(tasks.list()) == [task]
    done = tasks.complete(task)
    assert done.is_complete and done.title == task.title
    print("completed", done.title)

    why, metadata = rejected(grpc.StatusCode.ABORTED, tasks.delete, task)
    assert why == "ETAG_MISMATCH" and metadata["etag"] == done.etag
    assert tasks.delete(done).HasField("purge_time")
    why, _ = rejected(grpc.StatusCode.FAILED_PRECONDITION, tasks.delete, done)
    assert why == "TASK_DELETED"
    restored = tasks.undelete(done)
    assert restored.title == task.title and restored.is_complete
    assert not restored.HasField("delete_time")
    print("deleted and restored", restored.title)

    due = task_pb.Due(date=Date(year=2026, month=12, day=24))
    new = task_pb.CreateTaskRequest(task=task_pb.Task(title="Decorate", labels=["b", "a"], due=due))
    batch = task_pb.BatchCreateTasksRequest(requests=[new] * 3, request_id=str(uuid.uuid4()))
    created = tasks.call("BatchCreateTasks", batch).tasks
    assert tasks.call("BatchCreateTasks", batch).tasks == created, "a retry creates nothing"
    assert all(task.labels == ["a", "b"] and task.due == due for task in created)
    labelled = task_pb.TaskFilter(labels=["a"])
    found = list(tasks.list(filter=labelled, order_by="due, title desc", page_size=2))
    assert sorted(task.id for task in found) == sorted(task.id for task in created)
    print("created and listed", len(found), "tasks")

    auth.Logout(auth_pb.LogoutRequest(), metadata=session.metadata())
    why, _ = rejected(grpc.StatusCode.UNAUTHENTICATED, session.refresh)
    assert why == "REFRESH_TOKEN_INVALID"
    print("logged out")


def rejected(code, call, *arguments):
    """The reason of a call that must fail with this code, and its metadata."""
    try:
        call(*arguments)
    except grpc.RpcError as error:
        assert error.code() == code, error
        return reason(error)
    raise AssertionError(f"the call must fail with {code}")


if __name__ == "__main__":
    main(*sys.argv[1:])
