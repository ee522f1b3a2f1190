"""An experiment: the whole YAML file as one frozen value."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trader.config.agent import A2cConfig, AgentConfig, DqnConfig
from trader.config.base import PositiveInt, Section
from trader.config.data import (
    DataConfig,
    FeatureConfig,
    LogReturnFeature,
    MacdFeature,
    RsiFeature,
    VolatilityFeature,
)
from trader.config.env import EnvConfig


class TrainConfig(Section):
    """How long to train, how often to look, what to keep. All counts are environment steps summed over environments."""

    total_timesteps: int = Field(default=500_000, gt=0, le=900_000_000, description="length of training of each seed")
    n_envs: int = Field(default=16, ge=1, le=65_536, description="environments stepped as one batch")
    eval_freq: PositiveInt = Field(default=25_000, description="steps between validations (and rows of metrics.csv)")
    save_freq: PositiveInt = Field(default=50_000, description="steps between periodic checkpoints")
    keep_checkpoints: PositiveInt = Field(
        default=5, description="newest checkpoints kept of each seed; best and last always are"
    )
    early_stopping_patience: PositiveInt | None = Field(
        default=None, description="validations without a new best before a seed stops; null = never"
    )
    precision: Literal["float32", "tf32", "mixed_bfloat16"] = Field(
        default="float32",
        description="of matrix products: tf32 rounds their inputs (GPU only); mixed_bfloat16 computes hidden layers so",
    )
    devices_per_seed: PositiveInt = Field(
        default=1, description="devices that a seed's environments and batches are split over on jax"
    )
    seeds_per_program: PositiveInt | None = Field(
        default=None, description="seeds that one program trains side by side on jax; null = all; tensorflow: one"
    )


class EvaluationConfig(Section):
    """How results are judged."""

    risk_free_rate: float = Field(default=0.0, gt=-1, lt=1, description="per year, simple")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="level of every interval")


def default_features() -> list[FeatureConfig]:
    """Return the features an experiment without a `features` section uses."""
    features: list[FeatureConfig] = [
        LogReturnFeature(name="log_return"),
        VolatilityFeature(name="volatility"),
        RsiFeature(name="rsi"),
        MacdFeature(name="macd"),
    ]
    return features


class Experiment(Section):
    """Every key of an experiment file."""

    name: str = Field(
        default="experiment", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$", description="folder under runs/"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="seed of the first seed folder; seed-k uses seed + k")
    seeds: int = Field(default=5, ge=1, le=1000, description="independent repetitions")
    data: DataConfig = Field(description="where bars come from and how they are cut")
    features: list[FeatureConfig] = Field(
        default_factory=default_features, min_length=1, description="what the agent sees of each bar; past-only"
    )
    env: EnvConfig = Field(
        default_factory=lambda: EnvConfig(),
        description="what an action means, when it fills, what it costs, what it is paid",
    )
    agent: AgentConfig = Field(
        default_factory=lambda: DqnConfig(name="dqn"), description="what learns: dqn, reinforce or a2c"
    )
    train: TrainConfig = Field(
        default_factory=lambda: TrainConfig(), description="how long to train, how often to look, what to keep"
    )
    evaluation: EvaluationConfig = Field(
        default_factory=lambda: EvaluationConfig(), description="how results are judged"
    )
    backend: Literal["tensorflow", "jax"] = Field(
        default="tensorflow", description="compiler and array library under Keras"
    )

    @model_validator(mode="after")
    def _seeds_fit(self) -> Experiment:
        if self.seed + self.seeds > 2**31:
            raise ValueError(f"seed + seeds must be at most {2**31}; received {self.seed} + {self.seeds}")
        return self

    @model_validator(mode="after")
    def _devices_fit(self) -> Experiment:
        devices, agent = self.train.devices_per_seed, self.agent
        if devices > 1 and self.backend != "jax":
            raise ValueError(f"train.devices_per_seed ({devices}) must be 1 on {self.backend}; jax splits environments")
        split = {"train.n_envs": self.train.n_envs}
        if isinstance(agent, DqnConfig):
            split["agent.batch_size"] = agent.batch_size
        for key, number in split.items():
            if number % devices:
                raise ValueError(f"{key} ({number}) must be a multiple of train.devices_per_seed ({devices})")
        return self

    @model_validator(mode="after")
    def _steps_fit(self) -> Experiment:
        n_envs, agent = self.train.n_envs, self.agent
        if isinstance(agent, DqnConfig):
            if agent.train_freq % n_envs and n_envs % agent.train_freq:
                raise ValueError(
                    f"agent.train_freq ({agent.train_freq}) must divide train.n_envs ({n_envs}) or be a multiple of it"
                )
            if agent.buffer_size < n_envs:
                raise ValueError(f"agent.buffer_size ({agent.buffer_size}) must be at least train.n_envs ({n_envs})")
            if agent.learning_starts >= self.train.total_timesteps:
                raise ValueError(
                    f"agent.learning_starts ({agent.learning_starts}) must be below"
                    f" train.total_timesteps ({self.train.total_timesteps})"
                )
        elif not isinstance(agent, A2cConfig):
            if self.env.max_episode_duration is None:
                raise ValueError(
                    "agent reinforce plays fixed-length episodes: env.max_episode_duration must not be null"
                )
            if (agent.episodes_per_update or n_envs) % n_envs:
                raise ValueError(
                    f"agent.episodes_per_update ({agent.episodes_per_update}) must be a multiple"
                    f" of train.n_envs ({n_envs})"
                )
        return self
