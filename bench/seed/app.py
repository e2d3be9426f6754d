"""The FastAPI demo that Tandem began from: a baseline of the benchmark.

Async SQLAlchemy on asyncpg, JWT (HS256), bcrypt at cost 12, tasks scoped to their owner. Every request decodes the token, loads the user
by name, and then works on the task. Run it on an empty database:

    pip install -r requirements.txt
    DATABASE_URL=postgresql+asyncpg://USER@HOST:PORT/DB uvicorn app:app --workers 2 --loop uvloop --http httptools --no-access-log
"""

import os
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import Annotated

import bcrypt
import jwt
from fastapi import Depends, FastAPI, HTTPException, Query, status
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET, ALGORITHM, COST = "a-baseline-needs-no-secret-of-its-own", "HS256", 12
engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=int(os.environ.get("POOL", "16")), max_overflow=0)
Session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    hashed_password: Mapped[str]


class Task(Base):
    __tablename__ = "tasks"
    __table_args__ = (Index("tasks_owner", "owner_id", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    owner_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    title: Mapped[str]
    description: Mapped[str]
    is_complete: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class UserIn(BaseModel):
    username: str
    password: str


class TaskIn(BaseModel):
    title: str = Field(max_length=200)
    description: str = ""
    is_complete: bool = False


class TaskOut(TaskIn):
    model_config = ConfigDict(from_attributes=True)
    id: int
    owner_id: int
    created_at: datetime


@asynccontextmanager
async def lifespan(_: FastAPI):
    async with engine.begin() as connection:
        # Several workers start at once; only one may create the tables.
        await connection.execute(text("select pg_advisory_xact_lock(1)"))
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(title="Task Management API", lifespan=lifespan)
bearer = OAuth2PasswordBearer(tokenUrl="token")


async def database():
    async with Session() as session:
        yield session


Db = Annotated[AsyncSession, Depends(database)]


async def current_user(token: Annotated[str, Depends(bearer)], db: Db) -> User:
    refused = HTTPException(status.HTTP_401_UNAUTHORIZED, "Could not validate credentials")
    try:
        username = jwt.decode(token, SECRET, algorithms=[ALGORITHM])["sub"]
    except jwt.PyJWTError:
        raise refused
    user = (await db.execute(select(User).where(User.username == username))).scalars().first()
    if user is None:
        raise refused
    return user


Me = Annotated[User, Depends(current_user)]


async def own_task(task_id: int, db: Db, me: Me) -> Task:
    task = (await db.execute(select(Task).where(Task.id == task_id, Task.owner_id == me.id))).scalars().first()
    if task is None:
        raise HTTPException(404, "Task not found")
    return task


@app.post("/register/")
async def register(user: UserIn, db: Db):
    hashed = bcrypt.hashpw(user.password.encode(), bcrypt.gensalt(COST)).decode()
    db.add(User(username=user.username, hashed_password=hashed))
    try:
        await db.commit()
    except IntegrityError:
        raise HTTPException(400, "Username already registered")
    return {"msg": "User registered successfully"}


@app.post("/token")
async def login(form: Annotated[OAuth2PasswordRequestForm, Depends()], db: Db):
    user = (await db.execute(select(User).where(User.username == form.username))).scalars().first()
    if user is None or not bcrypt.checkpw(form.password.encode(), user.hashed_password.encode()):
        raise HTTPException(401, "Incorrect username or password")
    expires = datetime.now(timezone.utc) + timedelta(minutes=30)
    return {"access_token": jwt.encode({"sub": user.username, "exp": expires}, SECRET, ALGORITHM), "token_type": "bearer"}


@app.post("/tasks/", status_code=201, response_model=TaskOut)
async def create(task: TaskIn, db: Db, me: Me):
    row = Task(owner_id=me.id, **task.model_dump())
    db.add(row)
    await db.commit()
    await db.refresh(row)
    return row


@app.get("/tasks/", response_model=list[TaskOut])
async def list_tasks(db: Db, me: Me, before: int = 1 << 62, limit: int = Query(50, le=200)):
    page = select(Task).where(Task.owner_id == me.id, Task.id < before).order_by(Task.id.desc()).limit(limit)
    return (await db.execute(page)).scalars().all()


@app.get("/tasks/{task_id}", response_model=TaskOut)
async def get(task: Annotated[Task, Depends(own_task)]):
    return task


@app.put("/tasks/{task_id}", response_model=TaskOut)
async def update(change: TaskIn, db: Db, task: Annotated[Task, Depends(own_task)]):
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(task, name, value)
    await db.commit()
    await db.refresh(task)
    return task


@app.delete("/tasks/{task_id}", status_code=204)
async def delete(db: Db, task: Annotated[Task, Depends(own_task)]):
    await db.delete(task)
    await db.commit()
