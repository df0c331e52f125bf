"""Making an account in one transaction: name and password rules, gifts as ledger entries, the inviter's reward, a first token."""

import re
import secrets
import string
import time
import unicodedata

from msgspec import Struct
from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.envelope import Refusal
from schema.config import Config
from schema.ledger.entries import post
from schema.options import Options
from schema.tables import Token, User

ALPHABET = string.ascii_letters + string.digits
_NAME = re.compile(r"[\w.\-]{1,12}")
FIRST_TOKEN_QUOTA = 500_000  # units; of an unlimited token, so it means nothing


def random_text(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def clean_username(text: str) -> str:
    """The name in its one spelling. Raises Refusal."""
    name = unicodedata.normalize("NFKC", text).strip()
    if not _NAME.fullmatch(name):
        raise Refusal("username_invalid", "A user name has 1 to 12 letters, digits or _ . -")
    return name


class NewUser(Struct, frozen=True):
    """`password_hash` is bcrypt's; `quota` None means what the options give to new users."""

    username: str
    password_hash: str
    display_name: str = ""
    email: str = ""
    role: int = 1
    group: str = "default"
    quota: int | None = None
    aff_code: str = ""
    reference: str = ""  # of the gift; '' derives it from the user's id


async def insert_user(db: AsyncConnection, options: Options, config: Config, user: NewUser, actor: str) -> int:
    """The id of the new account; the inviter, if any, is rewarded. Raises Refusal when the name or e-mail is taken."""
    taken = [func.lower(User.username) == user.username.lower()]
    if user.email:
        taken.append(func.lower(User.email) == user.email.lower())
    if (await db.execute(select(User.id).where(or_(*taken)).limit(1))).first() is not None:
        raise Refusal("username_taken", "This user name or e-mail address is already in use.")
    inviter = None
    if user.aff_code:
        known = select(User.id).where(User.aff_code == user.aff_code, User.deleted_at.is_(None))
        inviter = (await db.execute(known)).scalar_one_or_none()
    values = {
        "username": user.username, "password": user.password_hash, "role": user.role, "status": 1,
        "display_name": user.display_name or user.username, "email": user.email or None, "group": user.group,
        "aff_code": random_text(8), "inviter_id": inviter or 0, "quota": 0, "created_at": int(time.time()),
    }  # fmt: skip
    try:
        result = await db.execute(insert(User).values(values))
    except IntegrityError as error:
        raise Refusal("username_taken", "This user name or e-mail address is already in use.") from error
    assert result.inserted_primary_key is not None
    user_id = int(result.inserted_primary_key[0])
    quota = options.quota_for_new_user if user.quota is None else user.quota
    for kind, amount in (("gift", quota), ("invite", options.quota_for_invitee if inviter else 0)):
        if amount:
            reference = user.reference or f"{kind}:{user_id}"
            await post(db, kind=kind, reference=reference, user_id=user_id, delta=amount, actor=actor)
    if inviter:
        await _reward(db, inviter, user_id, options.quota_for_inviter)
    if config.generate_default_token and user.role == 1:
        await _first_token(db, user_id, user.username)
    return user_id


async def _reward(db: AsyncConnection, inviter: int, user_id: int, quota: int) -> None:
    values = {"aff_count": func.coalesce(User.aff_count, 0) + 1}
    if quota > 0:
        values["aff_history"] = func.coalesce(User.aff_history, 0) + quota
        reference = f"inviter:{user_id}"
        await post(db, kind="invite", reference=reference, user_id=inviter, delta=quota, balance="aff")
    await db.execute(update(User).where(User.id == inviter).values(values))


async def _first_token(db: AsyncConnection, user_id: int, username: str) -> None:
    values = {"user_id": user_id, "key": random_text(48), "name": f"{username}的初始令牌", "unlimited_quota": True}
    now = int(time.time())
    more = {"remain_quota": FIRST_TOKEN_QUOTA, "expired_time": -1, "created_time": now, "accessed_time": now}
    await db.execute(insert(Token).values({**values, **more}))
