"""Users over HTTP: which URL and method is which use case."""

from functools import partial

from flask import Blueprint, Response

from adapters.api import http
from adapters.api.authorization import ERASE_HISTORY
from adapters.api.idempotency import AnswerOnce
from adapters.jsonapi import parameters
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.resource_objects import expect_existing, expect_new
from adapters.resources.users import USERS
from application.ports import Subject, UnitRunner, UserReader
from application.search import Slice
from application.users import UserCommands
from domain.users import NewUser, UserChanges


def users(
    api: Blueprint,
    run: UnitRunner,
    reader: UserReader,
    writer: DocumentWriter,
    cursors: Cursors,
    answered_once: AnswerOnce,
) -> None:
    """Give the API the routes of the users."""
    commands = UserCommands(run)
    question_of = parameters.cached(partial(parameters.collection, resource=USERS, cursors=cursors))

    @api.get("/users")
    def list_users() -> Response:
        query = http.query()
        question = question_of(query)
        page = reader.page(question.search)
        profile = http.wants_cursor_profile() and isinstance(question.search.place, Slice)
        body = writer.collection(page, question, query=query, profile=profile)
        return http.ok(body, profile=profile)

    @api.post("/users")
    def create_user() -> Response:
        shown = parameters.single(http.query(), USERS)
        sent = http.read_resource_object(id_required=False)
        expect_new(sent, USERS)
        new = NewUser.of(*USERS.load(sent.fields, partial=False))

        def create(run: UnitRunner) -> tuple[Response, list[Subject]]:
            user = UserCommands(run).create(new, http.context())
            body = writer.single(user, query=http.query(), shown=shown)
            response = http.created(body, version=user.version, location=writer.url(user))
            return response, [(USERS.type, user.id)]

        return answered_once(run, create, ())

    @api.get("/users/<key:user_id>")
    def show_user(user_id: int) -> Response:
        shown = parameters.single(http.query(), USERS)
        user = reader.get(user_id)
        user.require_version(http.preconditions())
        body = writer.single(user, query=http.query(), shown=shown)
        return http.ok(body, version=user.version)

    @api.patch("/users/<key:user_id>")
    def change_user(user_id: int) -> Response:
        shown = parameters.single(http.query(), USERS)
        sent = http.read_resource_object(id_required=True)
        expect_existing(sent, USERS, str(user_id))
        changes = UserChanges(*USERS.load(sent.fields, partial=True))
        http.discard_body()
        expected = http.preconditions()
        user = commands.change(user_id, changes, http.context(), expected=expected)
        body = writer.single(user, query=http.query(), shown=shown)
        return http.ok(body, version=user.version)

    @api.delete("/users/<key:user_id>")
    def delete_user(user_id: int) -> Response:
        erase = parameters.flag(http.query(), ERASE_HISTORY)
        remove = commands.erase if erase else commands.delete
        remove(user_id, http.context(), expected=http.preconditions())
        return http.deleted()
