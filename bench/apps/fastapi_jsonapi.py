"""fastapi-jsonapi on asyncpg and uvicorn: the minimal API of its README, on Roster's table."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

from fastapi import Depends, FastAPI
from fastapi.responses import ORJSONResponse
from fastapi_jsonapi import ApplicationBuilder
from fastapi_jsonapi.misc.sqla.generics.base import ViewBaseGeneric
from fastapi_jsonapi.schema_base import BaseModel
from fastapi_jsonapi.views import Operation, OperationConfig, ViewBase
from pydantic import ConfigDict, EmailStr
from sqlalchemy import BigInteger, DateTime
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates

url = os.environ["ROSTER_DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:", 1)
engine = create_async_engine(url)
make_session = async_sessionmaker(engine, expire_on_commit=False)


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    email: Mapped[str]
    email_key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_key: Mapped[str]
    is_active: Mapped[bool]
    role: Mapped[str]
    creation_time: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    update_time: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), default=now, onupdate=now
    )
    version: Mapped[int] = mapped_column(default=1)

    @validates("email", "name")
    def fold(self, name: str, value: str) -> str:
        setattr(self, f"{name}_key", value.casefold())
        return value


class UserIn(BaseModel):
    email: EmailStr
    name: str
    is_active: bool = False
    role: str = "user"


class UserChanges(BaseModel):
    email: EmailStr | None = None
    name: str | None = None
    is_active: bool | None = None
    role: str | None = None


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    email: str
    name: str
    is_active: bool
    role: str
    creation_time: datetime
    update_time: datetime


async def open_session() -> AsyncIterator[AsyncSession]:
    async with make_session() as session:
        yield session


class SessionDependency(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    session: AsyncSession = Depends(open_session)


def with_session(_: ViewBase, dependency: SessionDependency) -> dict[str, Any]:
    return {"session": dependency.session}


class UserView(ViewBaseGeneric):
    operation_dependencies: ClassVar = {
        Operation.ALL: OperationConfig(
            dependencies=SessionDependency, prepare_data_layer_kwargs=with_session
        )
    }


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    builder = ApplicationBuilder(app)
    builder.add_resource(
        path="/users",
        tags=["users"],
        resource_type="users",
        view=UserView,
        model=User,
        schema=UserOut,
        schema_in_post=UserIn,
        schema_in_patch=UserChanges,
    )
    builder.initialize()
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan, default_response_class=ORJSONResponse)
