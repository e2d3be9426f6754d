"""Services whose clocks are 31 days ahead of the database's: they are not ready, say so, and delete
nothing that has not expired by the database's clock."""

import glob
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

import grpc
from rolling import Service
from tandem.auth.v1 import auth_service_pb2 as auth_pb
from tandem.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from tandem.task.v1 import task_service_pb2 as task_pb
from tandem.task.v1.task_service_pb2_grpc import TaskServiceStub

AHEAD_SECONDS = 31 * 24 * 3600
REASON = "the clock differs from the database's"
LOGIN = {"username": "ada", "password": "quiet-otter-sails-north"}


class AheadService(Service):
    """A running service whose clock is ahead. It answers calls, but does not get ready."""

    def start(self):
        (library,) = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        clock = {"LD_PRELOAD": library, "FAKETIME": f"+{AHEAD_SECONDS}"}
        self.process = subprocess.Popen([self.path], env=self.settings | clock)
        eventually(f"{self.path} reports its clock", lambda: REASON in self.get("/readyz")[1])
        assert self.get("/readyz")[0] == 503
        metrics = self.get("/metrics")[1].splitlines()
        (offset,) = [line.split()[1] for line in metrics if line.startswith("tandem_db_clock_")]
        assert abs(float(offset) - AHEAD_SECONDS) < 60, offset

    def get(self, path):
        """The status and the body of a path of the operations port; 0 before it listens."""
        try:
            with urllib.request.urlopen(f"http://{self.ops}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError:
            return 0, ""


def eventually(what, holds):
    deadline = time.time() + 20
    while not holds():
        assert time.time() < deadline, f"timed out waiting until {what}"
        time.sleep(0.05)


def query(sql):
    psql = ["psql", "--no-psqlrc", "-Atqc", sql, os.environ["DATABASE_URL"]]
    return subprocess.run(psql, check=True, capture_output=True, text=True).stdout.strip()


def counts():
    tables = ["auth.sessions", "task.tasks", "task.requests"]
    return [int(query(f"select count(*) from {table}")) for table in tables]


def main():
    root_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    auth_settings = {"AUTH_ROOT_KEY": root_key, "AUTH_BCRYPT_COST": "4"}
    running = []
    try:
        running.append(auth := Service("auth", **auth_settings))
        task_settings = {
            "TASK_JWKS_URL": f"http://{auth.address}/.well-known/jwks.json",
            "TASK_PURGE_INTERVAL_SECONDS": "1",
        }
        running.append(task := Service("task", **task_settings))
        fill(auth, task)
        assert counts() == [2, 10, 10], counts()

        running.append(AheadService("task", **task_settings))
        task.stop()
        # Only these have expired. They show that the purge runs.
        query("update task.tasks set purge_time = now() where priority = 4")
        query("update task.requests set create_time = now() - interval '1d' where revision = 1")
        eventually("expired rows are purged", lambda: counts() == [2, 9, 9])
        time.sleep(2.5)
        assert counts() == [2, 9, 9], counts()

        # A login deletes the session that has expired, and no other. It gets no token, since the
        # service loads its signing keys only once the clock is right.
        query("update auth.sessions set expire_time = now() where generation = 2")
        running.append(ahead := AheadService("auth", **auth_settings))
        stub = AuthServiceStub(grpc.insecure_channel(ahead.address))
        try:
            stub.Login(auth_pb.LoginRequest(**LOGIN))
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error
        assert counts() == [2, 9, 9], counts()
        late = query("select count(*) from auth.sessions where last_refresh_time > now()")
        assert late == "0", "a login stores the instance's time"
    finally:
        for service in running:
            service.process.kill()
    print("clock: services 31 days ahead are not ready, and delete only what has expired")


def fill(auth, task):
    """Begins two sessions, refreshes the first, and creates and deletes ten tasks."""
    stub = AuthServiceStub(grpc.insecure_channel(auth.address))
    stub.Register(auth_pb.RegisterRequest(**LOGIN))
    tokens = stub.Login(auth_pb.LoginRequest(**LOGIN)).tokens
    stub.RefreshToken(auth_pb.RefreshTokenRequest(refresh_token=tokens.refresh_token))
    tokens = stub.Login(auth_pb.LoginRequest(**LOGIN)).tokens
    token = (("authorization", f"Bearer {tokens.access_token}"),)
    tasks = TaskServiceStub(grpc.insecure_channel(task.address))
    for priority in [4] + 9 * [1]:
        fields = task_pb.Task(title="deleted", priority=priority)
        create = task_pb.CreateTaskRequest(task=fields, request_id=str(uuid.uuid4()))
        created = tasks.CreateTask(create, metadata=token).task
        tasks.DeleteTask(task_pb.DeleteTaskRequest(task_id=created.id), metadata=token)


if __name__ == "__main__":
    sys.exit(main())
