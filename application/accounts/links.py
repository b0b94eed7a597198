"""Emailed links: sign-up, invitation, recovery, and new addresses."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from application.access import Action, Policy, ScopePolicy
from application.accounts.config import AccountConfig
from application.accounts.errors import LinkInvalid, SignupClosed
from application.accounts.events import record
from application.accounts.guessing import (
    EmailCounter,
    GuessingLimits,
    count_email,
    count_request,
    lock_signups,
)
from application.accounts.notices import notify, send
from application.accounts.passwords import (
    PASSWORD,
    NewPasswords,
    OwnPassword,
    invalidate_links,
    repeat_if_replaced,
    set_password,
    unchanged_user,
)
from application.accounts.sessions import Client, digest
from application.accounts.users import context_of, find_by_email, find_user, get_user
from application.audit import EventAction
from application.ports import (
    Context,
    PasswordHasher,
    RandomTokens,
    UnitOfWork,
    UnitRunner,
)
from application.users import USER_TYPE
from domain.accounts import EmailedLink, Purpose, Template
from domain.attributes import MISSING
from domain.errors import Invalid, Problem, Violation
from domain.text import email_key
from domain.users import RULES, EmailTaken, NewUser, User, UserChanges, UserNotFound

EMAIL_DOMAIN: Final = Problem("email_domain", "has a domain that may not sign up")


class LinkRequests:
    """Requests for emailed links.

    Requests that anyone can send, and requests for a new address, do not reveal which addresses
    exist. The links are created when the emails are sent, except those of `create_invitation`.
    """

    def __init__(
        self,
        run: UnitRunner,
        config: AccountConfig,
        hasher: PasswordHasher,
        limits: GuessingLimits,
        random: RandomTokens,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._run = run
        self._config = config
        self._hasher = hasher
        self._limits = limits
        self._random = random
        self._policy = policy

    def sign_up(self, email: str, name: str, context: Context) -> None:
        """Sends an email with a link that creates a user, or a notice if a user has the address.

        Raises SignupClosed, and Invalid if the address or the name is not valid, or the domain may
        not sign up.
        """
        self.require_signup()
        _check(email=email, name=name)
        key = email_key(email)
        domains = self._config.signup.domains
        if domains and key.rpartition("@")[2] not in domains:
            raise Invalid([Violation("email", EMAIL_DOMAIN)])

        def unit(work: UnitOfWork) -> None:
            user = find_by_email(work, email)
            is_within, sends = count_request(work, key, EmailCounter.SIGNUPS)
            if not is_within:
                return
            if not sends:
                _discard(work, email)
            elif user:
                notify(work, Template.TAKEN, user)
            else:
                send(work, Template.SIGNUP, email, name=name)

        self._run(context, unit)

    def require_signup(self) -> None:
        """Raises SignupClosed if the service does not accept sign-ups."""
        if not self._config.signup.enabled:
            raise SignupClosed

    def recover(self, email: str, context: Context) -> None:
        """Sends an active user an email with a link to set a new password.

        Raises Invalid if the address is not valid.
        """
        _check(email=email)

        def unit(work: UnitOfWork) -> None:
            user = find_by_email(work, email)
            active = user if user and user.is_active else None
            is_within, sends = count_request(
                work, email_key(email), EmailCounter.RECOVERIES, sends=active is not None
            )
            if not is_within:
                return
            if active and sends:
                notify(work, Template.RECOVERY, active)
            else:
                _discard(work, email)

        self._run(context, unit)

    def invite(self, user_id: int, context: Context) -> None:
        """Sends a user an email with a link to set a password.

        Raises UserNotFound and the policy's errors.
        """
        self.invite_all([user_id], context)

    def invite_all(self, user_ids: Sequence[int], context: Context) -> None:
        """Sends each user an email with a link to set a password, or none if a user does not exist.

        Raises UserNotFound and the policy's errors.
        """
        self._policy.authorize(context.principal, Action.CREATE, USER_TYPE.name)

        def unit(work: UnitOfWork) -> None:
            work.repository(USER_TYPE).lock(user_ids)  # by id, as other units lock them
            for user_id in user_ids:
                user = get_user(work, user_id)
                notify(work, Template.INVITATION, user)
                record(work, user_id, EventAction.INVITED)

        self._run(context, unit, for_update=True)

    def create_invitation(self, email: str, context: Context) -> str:
        """Returns the token of an invitation, for an operator who sends it. Raises UserNotFound."""
        token = self._random.link_token()

        def unit(work: UnitOfWork) -> None:
            if (user := find_by_email(work, email)) is None:
                raise UserNotFound(email)
            expiry = work.now + self._config.link_ttl(Purpose.INVITATION)
            work.accounts.links.add(
                EmailedLink(
                    digest=digest(token),
                    purpose=Purpose.INVITATION,
                    user_id=user.id,
                    email=user.email,
                    name=None,
                    creation_time=work.now,
                    expiry_time=expiry,
                )
            )
            record(work, user.id, EventAction.INVITED)

        self._run(context, unit, for_update=True)
        return token

    def withdraw(self, user_id: int, context: Context) -> None:
        """Invalidates the open links of a user. Raises UserNotFound and the policy's errors."""
        self._policy.authorize(context.principal, Action.CREATE, USER_TYPE.name)

        def unit(work: UnitOfWork) -> None:
            get_user(work, user_id)
            invalidate_links(work, user_id)

        self._run(context, unit, for_update=True)

    def change_email(
        self,
        user_id: int,
        session_id: str,
        *,
        email: str,
        password: str,
        client: Client,
        context: Context,
    ) -> None:
        """Sends an email with a link to the new address, or a notice if another user has it.

        Raises Invalid, WrongPassword, TooManyFailures, Busy, and InvalidToken if the session ends
        meanwhile.
        """
        _check(email=email)
        own = OwnPassword(self._run, self._hasher, self._limits, client)

        def attempt() -> bool:
            stored = own.verify(user_id, password, context, attribute=PASSWORD)

            def unit(work: UnitOfWork) -> bool:
                user = unchanged_user(work, user_id, session_id, stored)
                if user is None:
                    return False
                owner = find_by_email(work, email)
                if count_email(work, email_key(email)):
                    if owner and owner.id != user.id:
                        notify(work, Template.TAKEN, owner)
                    else:
                        send(work, Template.EMAIL, email, user_id=user.id)
                return True

            return self._run(context, unit, for_update=True)

        repeat_if_replaced(attempt)


def _discard(work: UnitOfWork, email: str) -> None:
    """Stores an email that its sender discards, which takes the same time as another email."""
    send(work, Template.RECOVERY, email)


def _check(**values: object) -> None:
    """Raises Invalid if a value breaks the rule of the user's attribute."""
    problems = ((name, RULES[name](value)) for name, value in values.items())
    if violations := [Violation(name, problem) for name, problem in problems if problem]:
        raise Invalid(violations)


class Confirmation:
    """Uses links. A link that is refused, for example with a guessable password, remains valid."""

    def __init__(self, run: UnitRunner, new_passwords: NewPasswords) -> None:
        self._run = run
        self._new_passwords = new_passwords

    def confirm(self, token: str, password: str | None, context: Context) -> None:
        """Uses the link with the token.

        A new address needs no `password`. Raises LinkInvalid, Invalid, Busy, and EmailTaken if
        another user has the address meanwhile.
        """
        token_digest = digest(token)

        def read(work: UnitOfWork) -> tuple[EmailedLink, User | None, bool]:
            link = _valid_link(work, token_digest)
            is_signup = link.purpose is Purpose.SIGNUP
            is_taken = is_signup and find_by_email(work, link.email) is not None
            return link, _owner_of(work, link), is_taken

        link, user, is_taken = self._run(context, read)
        password_hash = ""
        if link.purpose is not Purpose.EMAIL:
            if password is None:
                raise Invalid([Violation(PASSWORD, MISSING)])
            password_hash = self._new_passwords.hash(password, personal=_personal(link, user))

        def unit(work: UnitOfWork) -> None:
            # Before the link: using it deletes the other links of the user or address. Units that
            # each held one of these would wait for each other.
            if link.purpose is Purpose.SIGNUP:
                lock_signups(work, email_key(link.email))
            user = _owner_of(work, link)
            _valid_link(work, token_digest)
            if is_taken:  # not read here: a deletion locks the user before the links
                raise EmailTaken
            if link.purpose is Purpose.SIGNUP:
                _create_user(work, link, password_hash)
            elif user is None:
                raise LinkInvalid
            elif link.purpose is Purpose.EMAIL:
                _change_email(work, user, link)
            else:
                _set_password(work, user, link.purpose, password_hash)

        run_context = context_of(user.id, context) if user else context
        self._run(run_context, unit, for_update=True)


def _valid_link(work: UnitOfWork, token_digest: bytes) -> EmailedLink:
    """Returns the link. Raises LinkInvalid if it does not exist or has expired."""
    link = work.accounts.links.get(token_digest)
    if link is None or link.has_expired(work.now):
        raise LinkInvalid
    return link


def _owner_of(work: UnitOfWork, link: EmailedLink) -> User | None:
    """Returns the user of the link. Raises LinkInvalid if the user no longer exists.

    Also raises it if the link was sent to an earlier address. A change of the address invalidates
    all links, except one that is requested at that moment and stored afterwards.
    """
    if link.user_id is None:
        return None
    user = find_user(work, link.user_id)
    if user is None or (link.purpose is not Purpose.INVITATION and not user.is_active):
        raise LinkInvalid
    if link.purpose is not Purpose.EMAIL and email_key(link.email) != user.email_key:
        raise LinkInvalid
    return user


def _personal(link: EmailedLink, user: User | None) -> Sequence[str]:
    return (user.email, user.name) if user else (link.email, link.name or "")


def _create_user(work: UnitOfWork, link: EmailedLink, password_hash: str) -> None:
    """Creates the user of a sign-up. Raises EmailTaken."""
    new = NewUser(email=link.email, name=link.name or link.email, is_active=True)
    user = work.repository(USER_TYPE).add(new, at=work.now)
    work.accounts.links.remove_of_address(user.email_key, signups_only=True)
    set_password(work, user, password_hash)
    _verify_email(work, user.id)


def _set_password(work: UnitOfWork, user: User, purpose: Purpose, password_hash: str) -> None:
    """Sets the password by a link of an invitation or a recovery."""
    if purpose is Purpose.INVITATION and not user.is_active:
        active = _changed(user, {"is_active": True}, at=work.now)
        user = work.repository(USER_TYPE).save(active, before=user)
    set_password(work, user, password_hash)
    _verify_email(work, user.id)
    if purpose is Purpose.RECOVERY:
        notify(work, Template.PASSWORD_CHANGED, user)


def _change_email(work: UnitOfWork, user: User, link: EmailedLink) -> None:
    """Changes the address of a user, and notifies the old one. Raises EmailTaken."""
    changed = _changed(user, {"email": link.email}, at=work.now)
    if changed is not user:
        changed = work.repository(USER_TYPE).save(changed, before=user)
        notify(work, Template.EMAIL_CHANGED, changed, address=user.email)
    invalidate_links(work, user.id)
    _verify_email(work, user.id)


def _changed(user: Any, attributes: Mapping[str, object], *, at: datetime) -> User:
    changed: User = user.with_changes(UserChanges(attributes), at=at)
    return changed


def _verify_email(work: UnitOfWork, user_id: int) -> None:
    accounts = work.accounts.accounts
    accounts.save(accounts.get(user_id)._replace(email_verified_time=work.now))
