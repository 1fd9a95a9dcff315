"""Bolt for Python as a tuned peer: verify the signature, insert one durable row, acknowledge with a text.

process_before_response=True spares the 10 ms poll for the acknowledgement; STYLE is "sync" or "async".
"""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import psycopg
import uvicorn
import uvloop
from slack_bolt import App
from slack_bolt.adapter.asgi import SlackRequestHandler
from slack_bolt.adapter.asgi.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

DATABASE_URL = os.environ["DATABASE_URL"]
API_URL = os.environ["SLACK_API_URL"]
TOKEN = os.environ["SLACK_BOT_TOKEN"]
SECRET = os.environ["SLACK_SIGNING_SECRET"]

COLUMNS = ("trigger_id", "team_id", "channel_id", "user_id", "text")
SCHEMA = f"CREATE TABLE IF NOT EXISTS incidents ({', '.join(f'{name} TEXT NOT NULL' for name in COLUMNS)})"
INSERT = f"INSERT INTO incidents ({', '.join(COLUMNS)}) VALUES"

Insert = Callable[[dict[str, Any]], None]
AsyncInsert = Callable[[dict[str, Any]], Awaitable[None]]


def values(command: dict[str, Any]) -> tuple[str, ...]:
    return tuple(command[name] for name in COLUMNS)


def reply(command: dict[str, Any]) -> str:
    return f"Declared: {command['text']}"


def sqlite_insert() -> Insert:
    path = DATABASE_URL.removeprefix("sqlite://")
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(SCHEMA)
    statement = f"{INSERT} (?, ?, ?, ?, ?)"

    def insert(command: dict[str, Any]) -> None:
        database.execute(statement, values(command))

    return insert


def postgres_insert() -> Insert:
    database = psycopg.connect(DATABASE_URL, autocommit=True, prepare_threshold=0)
    database.execute(SCHEMA)
    statement = f"{INSERT} (%s, %s, %s, %s, %s)"

    def insert(command: dict[str, Any]) -> None:
        database.execute(statement, values(command))

    return insert


async def async_insert() -> AsyncInsert:
    if DATABASE_URL.startswith("sqlite:"):
        blocking = sqlite_insert()

        async def insert(command: dict[str, Any]) -> None:
            # A commit takes a tenth of a millisecond: less than handing it to a thread.
            blocking(command)

        return insert

    pool = await asyncpg.create_pool(DATABASE_URL, min_size=16, max_size=16)
    await pool.execute(SCHEMA)
    statement = f"{INSERT} ($1, $2, $3, $4, $5)"

    async def insert_pooled(command: dict[str, Any]) -> None:
        await pool.execute(statement, *values(command))

    return insert_pooled


def sync_handler() -> SlackRequestHandler:
    client = WebClient(token=TOKEN, base_url=API_URL)
    app = App(client=client, signing_secret=SECRET, process_before_response=True)
    insert = sqlite_insert() if DATABASE_URL.startswith("sqlite:") else postgres_insert()

    @app.command("/incident")
    def declare(command: dict[str, Any], ack: Any) -> None:
        insert(command)
        ack(reply(command))

    return SlackRequestHandler(app, path="/slack/commands")


async def async_handler() -> AsyncSlackRequestHandler:
    client = AsyncWebClient(token=TOKEN, base_url=API_URL)
    app = AsyncApp(client=client, signing_secret=SECRET, process_before_response=True)
    insert = await async_insert()

    @app.command("/incident")
    async def declare(command: dict[str, Any], ack: Any) -> None:
        await insert(command)
        await ack(reply(command))

    return AsyncSlackRequestHandler(app, path="/slack/commands")


async def serve() -> None:
    handler = sync_handler() if os.environ["STYLE"] == "sync" else await async_handler()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/healthz":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        else:
            await handler(scope, receive, send)

    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=120,
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
