"""What `speed.py` measures: blocks of sides that are measured next to each other, in alternating order."""

import sys
from dataclasses import dataclass

from process import Job

BACKENDS = ("tensorflow", "jax")
TITLES = {
    "sb3": "Stable-Baselines3",
    "sbx": "SBX",
    "cleanrl": "CleanRL-like",
    "gym-anytrading": "gym-anytrading",
    "gym-trading-env": "Gym-Trading-Env",
    "market": "trader/Market-v0",
}


@dataclass(frozen=True)
class Side:
    """One program: ours on one backend, or a peer on one environment.

    Attributes:
        key: unique in its block.
        title: for tables.
        script: that measures it.
        options: of the script, besides environments and times.
        sizes: numbers of environments; of several the fastest is looked for before the rounds.
        backend: of Keras.
        work: what of ours it is (`equal updates`, …); peers: empty.
    """

    key: str
    title: str
    script: str
    options: tuple[str, ...]
    sizes: tuple[int, ...]
    backend: str = "jax"
    work: str = ""

    def job(self, size: int, times: tuple[str, ...], peer_python: str) -> Job:
        python = sys.executable if self.work else peer_python
        return Job(python, self.script, (*self.options, "--num-envs", str(size), *times), self.backend)


@dataclass(frozen=True)
class Block:
    """Sides measured in turn within a minute or two; each peer is paired with each of ours."""

    key: str
    title: str
    sides: tuple[Side, ...]


def ours(agent: str, sizes: tuple[int, ...], work: str, *options: str) -> list[Side]:
    """One side for each backend."""
    return [
        Side(f"{work}, {backend}", backend, "ours.py", ("--agent", agent, *options), sizes, backend, work)
        for backend in BACKENDS
    ]


def peer(library: str, env: str, agent: str, sizes: tuple[int, ...]) -> Side:
    number = f", {sizes[0]} environment{'s' * (sizes[0] > 1)}" if len(sizes) == 1 else ""
    title = f"{TITLES[library]} on {TITLES[env]}{number}"
    return Side(f"{library} {env} {sizes[0]}", title, f"peers_{library}.py", ("--env", env, "--agent", agent), sizes)


def blocks(search: tuple[int, ...]) -> list[Block]:
    """Return all blocks; `search`: numbers of environments between which each side's best is looked for."""
    return [*_a2c("a2c-8", "A2C, 8 environments", (8,)), *_a2c("a2c-best", "A2C, own best number", search), *_dqn()]


def _a2c(key: str, title: str, sizes: tuple[int, ...]) -> list[Block]:
    mine = ours("a2c", sizes, "equal updates")
    sb3 = [peer("sb3", env, "a2c", sizes) for env in ("gym-anytrading", "gym-trading-env", "market")]
    others = [peer("sbx", "gym-anytrading", "a2c", sizes), peer("cleanrl", "gym-anytrading", "a2c", sizes)]
    others.append(peer("cleanrl", "market", "a2c", sizes))
    return [Block(key, title, (*mine, *sb3)), Block(f"{key}-others", title, (*mine, *others))]


def _dqn() -> list[Block]:
    equal = ours("dqn", (16,), "equal updates")
    large = ours("dqn", (16,), "batch of 128", "--batch-size", "128", "--env-steps-per-update", "16")
    plain = [peer("sb3", env, "dqn", (n,)) for env in ("gym-anytrading", "gym-trading-env") for n in (1, 16)]
    others = [("sb3", "market"), ("sbx", "gym-anytrading"), ("cleanrl", "gym-anytrading"), ("cleanrl", "market")]
    rest = [peer(library, env, "dqn", (n,)) for library, env in others for n in (1, 16)]
    title = "DQN, ours with 16 environments"
    return [
        Block("dqn", title, (*equal, *large, *plain)),
        Block("dqn-others", title, (*equal, *large, *rest)),
    ]
