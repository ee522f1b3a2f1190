"""The `agent` section: unions of agents (by `name`) and networks (by `kind`), keys spelt as in Stable-Baselines3."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trader.config.base import Fraction, PositiveInt, Section


class MlpNetwork(Section):
    """Dense layers over the flattened window and the account."""

    kind: Literal["mlp"] = Field(default="mlp", description="which network")
    net_arch: list[PositiveInt] = Field(default=[64, 64], max_length=16, description="units of each hidden layer")
    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = Field(
        default="relu", description="of every hidden layer"
    )


class AgentBase(Section):
    """What every agent shares."""

    network: MlpNetwork = Field(default_factory=lambda: MlpNetwork(), description="from window and account to numbers")
    gamma: Fraction = Field(default=0.99, description="discount per bar")
    max_grad_norm: float | None = Field(
        default=10.0, gt=0, description="global norm the gradient is clipped to; null = none"
    )
    optimizer: Literal["adam", "rmsprop"] = Field(default="adam", description="rule that turns gradients into steps")


class DqnConfig(AgentBase):
    """Deep Q-network (Mnih et al. 2015) with action masks in exploration, target and inference."""

    name: Literal["dqn"] = Field(description="which agent")
    learning_rate: float = Field(default=1e-4, gt=0, le=1, description="step size of the optimizer")
    buffer_size: int = Field(default=100_000, ge=1, le=100_000_000, description="transitions kept")
    learning_starts: int = Field(default=1_000, ge=0, description="environment steps before the first update")
    batch_size: PositiveInt = Field(default=32, description="transitions drawn for one update")
    train_freq: PositiveInt = Field(default=16, description="environment steps between updates")
    gradient_steps: PositiveInt = Field(default=4, description="sequential updates each time")
    tau: float = Field(default=1.0, gt=0, le=1, description="share of the online weights in a target update; 1 = hard")
    target_update_interval: PositiveInt = Field(default=2_000, description="environment steps between target updates")
    exploration_initial_eps: Fraction = Field(default=1.0, description="share of random actions until learning_starts")
    exploration_fraction: Fraction = Field(
        default=0.3, description="share of the steps after learning_starts while epsilon falls"
    )
    exploration_final_eps: Fraction = Field(default=0.05, description="share of random actions at the end")
    loss: Literal["huber", "mse"] = Field(default="huber", description="of the temporal-difference error")
    double: bool = Field(default=True, description="double Q-learning (van Hasselt et al. 2016)")

    @model_validator(mode="after")
    def _epsilon_falls(self) -> DqnConfig:
        if self.exploration_final_eps > self.exploration_initial_eps:
            raise ValueError(
                f"exploration_final_eps ({self.exploration_final_eps}) must not exceed"
                f" exploration_initial_eps ({self.exploration_initial_eps})"
            )
        if self.batch_size > self.buffer_size:
            raise ValueError(f"batch_size ({self.batch_size}) must not exceed buffer_size ({self.buffer_size})")
        return self


class ReinforceConfig(AgentBase):
    """REINFORCE (Williams 1992): fixed-length episodes, discounted returns normalised over the batch."""

    name: Literal["reinforce"] = Field(description="which agent")
    learning_rate: float = Field(default=1e-3, gt=0, le=1, description="step size of the optimizer")
    ent_coef: float = Field(default=0.01, ge=0, description="weight of the entropy bonus")
    episodes_per_update: PositiveInt | None = Field(
        default=None, description="episodes behind one update; null = train.n_envs"
    )


class A2cConfig(AgentBase):
    """Advantage actor-critic (Mnih et al. 2016, synchronous); n_steps: 1 is TD(0)."""

    name: Literal["a2c"] = Field(description="which agent")
    actor_learning_rate: float = Field(
        default=7e-4, gt=0, le=1, description="of the policy head and of the shared trunk"
    )
    critic_learning_rate: float = Field(default=7e-4, gt=0, le=1, description="of the value head")
    n_steps: PositiveInt = Field(default=5, description="environment steps per environment behind one update")
    ent_coef: float = Field(default=0.01, ge=0, description="weight of the entropy bonus")
    vf_coef: float = Field(default=0.5, ge=0, description="weight of the value loss")


AgentConfig = Annotated[DqnConfig | ReinforceConfig | A2cConfig, Field(discriminator="name")]
