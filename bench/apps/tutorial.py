"""The tutorial style: Flask-RESTful, Flask-SQLAlchemy, marshmallow-jsonapi, on gunicorn.

It combines the examples of their documentation as tutorials do: entities, schemas, numbered pages.
"""

import os
from datetime import UTC, datetime
from typing import Any

from flask import Flask, request
from flask_restful import Api, Resource
from flask_sqlalchemy import SQLAlchemy
from marshmallow_jsonapi import Schema, fields

app = Flask(__name__)
url = os.environ["ROSTER_DATABASE_URL"]
app.config["SQLALCHEMY_DATABASE_URI"] = url.replace("postgresql:", "postgresql+psycopg2:", 1)
db = SQLAlchemy(app)
api = Api(app)


def now() -> datetime:
    return datetime.now(UTC)


class User(db.Model):
    __tablename__ = "users"
    id = db.Column(db.BigInteger, primary_key=True)
    email = db.Column(db.String(250), nullable=False)
    email_key = db.Column(db.String(250), nullable=False, unique=True)
    name = db.Column(db.String(250), nullable=False)
    name_key = db.Column(db.Text, nullable=False)
    is_active = db.Column(db.Boolean, nullable=False, default=False)
    role = db.Column(db.String(50), nullable=False, default="user")
    creation_time = db.Column(db.DateTime(timezone=True), nullable=False, default=now)
    update_time = db.Column(db.DateTime(timezone=True), nullable=False, default=now, onupdate=now)
    version = db.Column(db.Integer, nullable=False, default=1)


class UserSchema(Schema):
    id = fields.Str()
    email = fields.Email(required=True)
    name = fields.Str(required=True)
    is_active = fields.Bool()
    role = fields.Str()
    creation_time = fields.DateTime(dump_only=True)
    update_time = fields.DateTime(dump_only=True)

    class Meta:
        type_ = "users"
        self_url = "/users/{id}"
        self_url_kwargs = {"id": "<id>"}  # noqa: RUF012
        self_url_many = "/users"


class Users(Resource):
    def get(self) -> Any:
        query = User.query.order_by(User.id)
        if email := request.args.get("filter[email]"):
            query = query.filter_by(email=email)
        page = query.paginate(
            page=request.args.get("page[number]", 1, type=int),
            per_page=request.args.get("page[size]", 25, type=int),
        )
        return {**UserSchema(many=True).dump(page.items), "meta": {"total": page.total}}

    def post(self) -> Any:
        sent = UserSchema().load(request.get_json(force=True))
        user = User(**sent, email_key=sent["email"].casefold(), name_key=sent["name"].casefold())
        db.session.add(user)
        db.session.commit()
        return UserSchema().dump(user), 201


class OneUser(Resource):
    def get(self, user_id: int) -> Any:
        return UserSchema().dump(db.get_or_404(User, user_id))

    def patch(self, user_id: int) -> Any:
        user = db.get_or_404(User, user_id)
        sent = UserSchema(partial=True).load(request.get_json(force=True))
        sent.pop("id")
        for name, value in sent.items():
            setattr(user, name, value)
        user.email_key, user.name_key = user.email.casefold(), user.name.casefold()
        db.session.commit()
        return UserSchema().dump(user)


api.add_resource(Users, "/users")
api.add_resource(OneUser, "/users/<int:user_id>")
