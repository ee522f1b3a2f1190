"""Index replay: a transition is where it happened, not what was seen.

Windows are gathered from the market when a batch is drawn, so a transition takes 10 float32 columns = 40 bytes instead
of two whole observations. Row: `t, code, reward`, account features before the step, and after it those that the step
does not tell: the age a′ of the position follows from its age a = b/(b+20) in bars b, a′ = (1 + 19·a) / (21 − a), or 0
after a trade. `code` packs asset, rung, action and whether the step terminated and traded into one integer; integers up
to 2²⁴ are exact in float32. Storage is one Keras variable, which each backend updates in place; the cursor belongs to
the carry.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from trader import backend
from trader.errors import TraderError

NUM_ACCOUNT = 4
NUM_COLUMNS = 3 + NUM_ACCOUNT + 3
BYTES_PER_TRANSITION = 4 * NUM_COLUMNS
MAX_EXACT = 2**24


class Transitions(NamedTuple):
    """A batch of B transitions; time limits are not terminations, so `discount` stays gamma there.

    Attributes:
        asset, t, rung, action: int32 `[B]`, before the step.
        reward, discount: float32 `[B]`.
        account, next_account: float32 `[B, 4]` account features before and after the step.
    """

    asset: Any
    t: Any
    rung: Any
    action: Any
    reward: Any
    discount: Any
    account: Any
    next_account: Any


class Layout(NamedTuple):
    """What rows leave out: the sizes behind their codes (`rung` counts from −1, no target yet), and the discount."""

    num_rungs: int
    num_actions: int
    gamma: float


class Cursor(NamedTuple):
    """Where the next row goes and how many are filled, int32 scalars."""

    position: Any
    size: Any


def check_exact(num_assets: int, num_rows: int, layout: Layout) -> None:
    """Raise TraderError when an index of this market would not be exact in float32."""
    for what, largest in (("rows", num_rows), ("assets", num_assets * (layout.num_rungs + 1) * layout.num_actions * 4)):
        if largest > MAX_EXACT:
            raise TraderError(
                f"agent.name: dqn packs {what} into numbers up to {largest}, its replay is exact up to {MAX_EXACT};"
                f" use fewer {what} or another agent"
            )


def init(capacity: int) -> tuple[keras.Variable, Cursor]:
    """Return empty storage `[capacity, 10]` and its cursor."""
    storage = keras.Variable(
        ops.zeros((capacity, NUM_COLUMNS), "float32"), trainable=False, dtype="float32", name="replay"
    )
    return storage, empty()


def empty() -> Cursor:
    """Return the cursor of an empty replay."""
    return Cursor(ops.zeros((), "int32"), ops.zeros((), "int32"))


def add(storage: keras.Variable, cursor: Cursor, layout: Layout, batch: Transitions) -> Cursor:
    """Write N transitions over the oldest ones; the capacity must be a multiple of N."""
    rows = ops.concatenate([_packed(layout, batch), batch.account, _kept_of(batch.next_account)], axis=1)
    capacity, n = storage.shape[0], rows.shape[0]
    storage.assign(ops.slice_update(storage.value, (cursor.position, ops.zeros((), "int32")), rows))
    return Cursor((cursor.position + n) % capacity, ops.minimum(cursor.size + n, capacity))


def _packed(layout: Layout, batch: Transitions) -> Any:
    code = (batch.asset * (layout.num_rungs + 1) + batch.rung + 1) * layout.num_actions + batch.action
    terminated = ops.cast(batch.discount == 0.0, "int32")
    traded = ops.cast(batch.next_account[:, 2] == 0.0, "int32")
    code = (code * 2 + terminated) * 2 + traded
    return ops.stack([ops.cast(batch.t, "float32"), ops.cast(code, "float32"), batch.reward], axis=1)


def _kept_of(account: Any) -> Any:
    return ops.concatenate([account[:, :2], account[:, 3:]], axis=1)


def _next_account(account: Any, kept: Any, traded: Any) -> Any:
    age = account[:, 2]
    next_age = ops.where(traded, 0.0, (1.0 + 19.0 * age) / (21.0 - age))
    return ops.concatenate([kept[:, :2], next_age[:, None], kept[:, 2:]], axis=1)


def draw(cursor: Cursor, shape: tuple[int, ...], key: Any) -> Any:
    """Return numbers of filled rows, drawn uniformly with replacement, int32 `shape`."""
    return backend.randint(key, shape, ops.maximum(cursor.size, 1))


def gather(storage: keras.Variable, layout: Layout, indices: Any) -> Transitions:
    """Return the transitions at row numbers `indices [B]`."""
    rows = ops.take(storage.value, indices, axis=0)
    code = ops.cast(rows[:, 1], "int32")
    traded, terminated, code = code % 2 == 1, code // 2 % 2 == 1, code // 4
    cell = code // layout.num_actions
    account = rows[:, 3 : 3 + NUM_ACCOUNT]
    return Transitions(
        asset=cell // (layout.num_rungs + 1),
        t=ops.cast(rows[:, 0], "int32"),
        rung=cell % (layout.num_rungs + 1) - 1,
        action=code % layout.num_actions,
        reward=rows[:, 2],
        discount=ops.where(terminated, 0.0, layout.gamma),
        account=account,
        next_account=_next_account(account, rows[:, 3 + NUM_ACCOUNT :], traded),
    )
