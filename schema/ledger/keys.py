"""Names of the ledger's Redis keys. All keys of one user share the hash tag `{p}`, so every script runs on a cluster.

mx:{p}:b:<user>     hash: q hot balance (quota), v when it was loaded (Unix ms)
mx:{p}:t:<token>    hash: the same for a limited token; it lives in its owner's partition
mx:{p}:h:<user>     hash of open holds: request id -> "<amount> <limited token or 0> <idempotency key name>"
mx:{p}:c:<request>  string: the hold's checkpoint, a usage record; absent while nothing was relayed
mx:{p}:hz           sorted set of open holds: "<user>:<request id>" -> deadline (Unix ms, Redis' clock)
mx:{p}:e:<user>     epoch: changes whenever a balance moved outside settlement
mx:{p}:usage        stream of ended calls: u user, t limited token or 0, q quota, r record, l why it needs a check
mx:{p}:i:<digest>   idempotency key -> request id
"""

import hashlib

PREFIX = "mx:"
VERSIONS = "mx:ver"  # hash of version counters: channels, options, models ...
SIGNAL = "mx:signal"  # pub/sub: "channels", "options", "models", "token:<id>", "user:<id>"
PARTITIONS = "mx:partitions"  # how many partitions wrote the keys here; processes that disagree do not start
WORKERS = "mx:workers"  # sorted set: node -> Unix ms until which it counts as alive
METRICS = "mx:metrics:"  # + node: hash of gauges and counters
JOBS = "mx:jobs"  # hash: job name -> JSON of its last run


class Keys:
    """Key names for a given number of partitions."""

    __slots__ = ("_tags", "partitions")

    def __init__(self, partitions: int) -> None:
        assert partitions > 0, partitions
        self.partitions = partitions
        self._tags = [f"mx:{{{number}}}:" for number in range(partitions)]

    def partition(self, user_id: int) -> int:
        return user_id % self.partitions

    def tag(self, user_id: int) -> str:
        """The prefix of every key of this user."""
        return self._tags[user_id % self.partitions]

    def usage(self, partition: int) -> str:
        return self._tags[partition] + "usage"

    def deadlines(self, partition: int) -> str:
        return self._tags[partition] + "hz"

    def lease(self, partition: int) -> str:
        return f"mx:lease:{partition}"


def digest_idempotency_key(user_id: int, token_id: int, text: str) -> str:
    """A short name for a client's Idempotency-Key, valid for one token of one user."""
    return hashlib.sha256(f"{user_id}:{token_id}:{text}".encode()).hexdigest()[:32]
