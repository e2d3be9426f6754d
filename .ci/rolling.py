"""A rolling restart of two task-services under load. With gRPC's retry policy for UNAVAILABLE, no
call fails, and every acknowledged task exists exactly once."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

import grpc
from tandem.auth.v1 import auth_service_pb2 as auth_pb
from tandem.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from tandem.task.v1 import task_service_pb2 as task_pb
from tandem.task.v1.task_service_pb2_grpc import TaskServiceStub

CLIENTS = 4
RETRY = {
    "maxAttempts": 5,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % listener.getsockname()[1]


class Service:
    """A running service that is ready for calls."""

    def __init__(self, name, **settings):
        self.path, self.prefix = f"target/debug/{name}-service", name.upper()
        self.address, self.ops = free_address(), free_address()
        self.settings = {
            "DATABASE_URL": os.environ["DATABASE_URL"],
            f"{self.prefix}_LISTEN_ADDRESS": self.address,
            f"{self.prefix}_OPS_LISTEN_ADDRESS": self.ops,
            "SERVER_DRAIN_DELAY_SECONDS": "1",
            "RUST_LOG": "warn",
            **settings,
        }
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.path], env=self.settings)
        deadline = time.time() + 20
        healthcheck = [self.path, "healthcheck"]
        while subprocess.run(healthcheck, env=self.settings, capture_output=True).returncode:
            assert time.time() < deadline, f"{self.path} is not ready"
            time.sleep(0.05)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        assert code == 0, f"{self.path} exits with {code}"


def main():
    root_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    auth = Service("auth", AUTH_ROOT_KEY=root_key, AUTH_BCRYPT_COST="4")
    jwks_url = f"http://{auth.address}/.well-known/jwks.json"
    services = [Service("task", TASK_JWKS_URL=jwks_url) for _ in range(2)]
    try:
        roll(auth, services)
    finally:
        for service in [auth, *services]:
            service.process.kill()


def roll(auth, services):
    stub = AuthServiceStub(grpc.insecure_channel(auth.address))
    login = {"username": "ada", "password": "quiet-otter-sails-north"}
    stub.Register(auth_pb.RegisterRequest(**login))
    tokens = stub.Login(auth_pb.LoginRequest(**login)).tokens
    token = (("authorization", f"Bearer {tokens.access_token}"),)
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": [{}], "retryPolicy": RETRY}],
    }
    options = [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.default_authority", "localhost"),
    ]
    target = "ipv4:" + ",".join(service.address for service in services)
    tasks = TaskServiceStub(grpc.insecure_channel(target, options=options))
    done, failures, acknowledged = threading.Event(), [], []

    def work():
        while not done.is_set():
            task = task_pb.Task(title=str(len(acknowledged)))
            create = task_pb.CreateTaskRequest(task=task, request_id=str(uuid.uuid4()))
            try:
                task_id = tasks.CreateTask(create, metadata=token).task.id
                acknowledged.append(task_id)
                tasks.GetTask(task_pb.GetTaskRequest(task_id=task_id), metadata=token)
            except grpc.RpcError as error:
                failures.append(error)
            time.sleep(0.002)

    clients = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for service in services:
        time.sleep(0.5)
        service.stop()
        service.start()
    time.sleep(1)
    done.set()
    for client in clients:
        client.join()

    present, query = [], task_pb.ListTasksRequest(page_size=200)
    while True:
        page = tasks.ListTasks(query, metadata=token)
        present += [task.id for task in page.tasks]
        query.page_token = page.next_page_token
        if not query.page_token:
            break
    assert not failures, failures[:3]
    assert len(acknowledged) > 100 and sorted(present) == sorted(acknowledged)
    print(f"rolling restart: {len(acknowledged)} tasks created, no failure, loss or duplicate")


if __name__ == "__main__":
    sys.exit(main())
