"""Names of the ledger's Redis keys. All keys of one user share the hash tag `{p}`, so every script runs on a cluster.

mx:{p}:b:<user>     hash: q hot balance, v when it was loaded (Unix ms), t<token> remaining quota of a limited token,
                    h<request id> an open hold: "<amount> <limited token or 0> <deadline ms> <1 = has a checkpoint>
                    <digest of the idempotency key>", i 1 when the user stands in `holders`; without q: not loaded
mx:{p}:u            set of users who may have open holds
mx:{p}:c:<request>  string: the hold's checkpoint, a usage record; absent while nothing was relayed
mx:{p}:e:<user>     epoch: changes whenever a balance moved outside settlement
mx:{p}:usage        stream of ended calls: u user, t limited token or 0, q quota, r record, l why it needs a check
                    (1 settled without a hold or replayed, 2 reaped); in place of r p, several records: then q is their sum
mx:{p}:i:<digest>   idempotency key -> request id
mx:{p}:born    on a cluster: see BORN
mx:{p}:beat    on a cluster: see BEAT
mx:{p}:ra:<user>    sorted set: calls in the window of the request rate limit; rs: the successful ones
mx:{p}:rt:<user>    sorted set: calls in the window of the token rate limit; rn: hash of their tokens, and s the sum

Holds live inside the balance: to reserve is one read and one write, to settle one read, two writes and the record.
"""

import hashlib

PREFIX = "mx:"
EPOCH_LIFETIME_S = 3600  # far longer than any load from SQL takes
ALLOWANCE = "allowance:"  # + process:number, in place of a request id: a hold that calls share, see allowances.py
VERSIONS = "mx:ver"  # hash of version counters: channels, options, models ...
SIGNAL = "mx:signal"  # pub/sub: "channels", "options", "models", "token:<id>", "user:<id>"
PARTITIONS = "mx:partitions"  # how many partitions wrote the keys here; processes that disagree do not start
BORN = "mx:born"  # a random word, written once: another one, or none, and the server was emptied
BEAT = "mx:beat"  # hash: n signs of life that workers left here, at (Unix ms) of the last; fewer than before: writes were lost
HOLDS = "mx:holds"  # hash: open and held (their quota) now; charged and released by the reaper since the beginning
LOSSES = "mx:losses"  # hash: mark's key -> how often its server was found to have lost its memory or writes
WORKERS = "mx:workers"  # sorted set: node -> Unix ms until which it counts as alive
METRICS = "mx:metrics:"  # + node: hash of what it is doing now; expires with the node
SETTLED = "mx:settled"  # hash: counters of settlement over all workers that there have been
TASK_COUNTS = "mx:tasks:counts"  # hash: counters of asynchronous tasks
JOBS = "mx:jobs"  # hash: job name -> JSON of its last run
NOTICES = "mx:notices:count"  # hash: "kind|transport|result" -> notices
JOBS_KNOWN = "mx:jobs:known"  # hash: job name -> schema.jobs.JobPlan, told by every worker


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

    def balance(self, user_id: int) -> str:
        return f"{self._tags[user_id % self.partitions]}b:{user_id}"

    def usage(self, partition: int) -> str:
        return self._tags[partition] + "usage"

    def holders(self, partition: int) -> str:
        return self._tags[partition] + "u"

    def born(self, partition: int) -> str:
        """On a cluster, what BORN is on one server."""
        return self._tags[partition] + "born"

    def beat(self, partition: int) -> str:
        """On a cluster, what BEAT is on one server."""
        return self._tags[partition] + "beat"

    def lease(self, partition: int) -> str:
        return f"mx:lease:{partition}"


def digest_idempotency_key(user_id: int, token_id: int, text: str) -> str:
    """A short name for a client's Idempotency-Key, valid for one token of one user."""
    return hashlib.sha256(f"{user_id}:{token_id}:{text}".encode()).hexdigest()[:32]
