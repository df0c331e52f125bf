"""Where calls about tasks come in: one object per process, one method per operation, every refusal in its platform's words."""

import time
from random import Random
from typing import Any

import msgspec
import structlog

from edge.relay.call import Relay
from edge.relay.refusal import Refused, away
from edge.spool import REFUSES
from edge.tasks.call import DATABASE_AWAY, Answer, Receive, Send, TaskCall
from edge.tasks.callbacks import take_callback, take_notice
from edge.tasks.images import NoPicture, send_image, write_no_picture
from edge.tasks.live import delete_video, fetch_seed, send_content
from edge.tasks.results import fetch_task, list_newest, list_tasks
from edge.tasks.routes import TaskPlace
from edge.tasks.submit import submit_task
from schema.addresses import ANY_PORT, UrlRules
from schema.database import Engine
from schema.dialects.registry import get_dialect
from schema.guarded_fetch import GuardedFetcher
from schema.options import Options
from schema.tasks.books import Books
from schema.tasks.platform import TaskRefused
from schema.tasks.wire import TaskWire

log = structlog.get_logger(__name__)

_PLAIN = {
    "submit": submit_task, "fetch": fetch_task, "list": list_tasks, "many": list_newest, "seed": fetch_seed,
    "callback": take_callback, "notify": take_notice, "delete": delete_video,
}  # fmt: skip
_STREAMED = {"image": send_image, "content": send_content}


class Tasks:
    """Shared by all calls about tasks of a process."""

    def __init__(self, relay: Relay, engine: Engine, log_engine: Engine, redis: Any) -> None:
        """`redis`: a redis.asyncio client, for what is not hot."""
        self.relay, self.engine, self.redis = relay, engine, redis
        self._log_engine = log_engine
        self.wire = TaskWire()
        self.rng = Random()
        self._strict = GuardedFetcher(UrlRules(http=True))
        self._own = GuardedFetcher(UrlRules(http=True, ports=ANY_PORT, private=True))
        self.encode = msgspec.json.Encoder().encode

    def books(self, options: Options) -> Books:
        return Books(self.engine, self._log_engine, log_consumed=options.log_consume_enabled)

    def fetcher_for(self, own_host: bool) -> GuardedFetcher:
        """`own_host`: the address lies on a host that the operator typed."""
        return self._own if own_host else self._strict

    async def close(self) -> None:
        await self.wire.close()
        await self._strict.close()
        await self._own.close()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send, place: TaskPlace) -> None:
        call = TaskCall(self, scope, receive, send, place)
        try:
            if place.operation in _STREAMED:
                await _STREAMED[place.operation](call)
            else:
                await call.answer(await _PLAIN[place.operation](call))
        except TaskRefused as error:
            await self._refuse(call, Answer(error.status, call.platform.write_error(error)))
        except NoPicture as error:
            await self._refuse(call, Answer(error.status, write_no_picture(error)))
        except Refused as error:
            await self._refuse(call, _refusal(call, error))
        except REFUSES:
            await self._refuse(call, _refusal(call, away("The ledger")))
        except DATABASE_AWAY as error:
            log.warning("task_database_away", request_id=call.request_id, error=type(error).__name__)
            await self._refuse(call, _refusal(call, away("The database")))
        except Exception as error:
            log.exception("task_call_crashed", request_id=call.request_id, error=type(error).__name__)
            await self._refuse(call, _refusal(call, Refused(500, "internal_error", "The gateway failed to do this.")))
        finally:
            took_s = time.time() - call.started_s
            self.relay.meters.ended(place.platform, place.operation, call.status, False, took_s, -1)

    async def _refuse(self, call: TaskCall, answer: Answer) -> None:
        if not call.status:
            await call.answer(answer)
        else:  # the head has gone already: the body ends here
            await call.send({"type": "http.response.body", "body": b""})


def _refusal(call: TaskCall, error: Refused) -> Answer:
    """Authentication and routing answer in OpenAI's form on every platform, as clients know it."""
    body = get_dialect("openai").write_error(
        error.status, error.code, error.message, type="new_api_error", request_id=call.request_id
    )
    more = ((b"retry-after", str(error.retry_after_s).encode()),) if error.retry_after_s else ()
    return Answer(error.status, body, headers=more)
