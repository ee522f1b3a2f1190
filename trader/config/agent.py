"""The `agent` section: unions of agents (by `name`) and networks (by `kind`); keys are spelt as in Stable-Baselines3."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trader.config.base import Fraction, PositiveInt, Section


class MlpNetwork(Section):
    """Dense layers over the flattened window and the account."""

    kind: Literal["mlp"] = "mlp"
    net_arch: list[PositiveInt] = Field(default=[64, 64], max_length=16, description="units of each hidden layer")
    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = "relu"



class AgentBase(Section):
    """What every agent shares."""

    network: MlpNetwork = Field(default_factory=MlpNetwork)
    gamma: Fraction = Field(0.99, description="discount per bar")
    max_grad_norm: float | None = Field(10.0, gt=0, description="global norm the gradient is clipped to; null = none")
    optimizer: Literal["adam", "rmsprop"] = "adam"


class DqnConfig(AgentBase):
    """Deep Q-network (Mnih et al. 2015) with action masks in exploration, target and inference."""

    name: Literal["dqn"]
    learning_rate: float = Field(1e-4, gt=0, le=1)
    buffer_size: int = Field(100_000, ge=1, le=100_000_000, description="transitions kept")
    learning_starts: int = Field(1_000, ge=0, description="environment steps before the first update")
    batch_size: PositiveInt = 32
    train_freq: PositiveInt = Field(16, description="environment steps between updates")
    gradient_steps: PositiveInt = Field(4, description="sequential updates each time")
    tau: float = Field(1.0, gt=0, le=1, description="share of the online weights in a target update; 1 = hard")
    target_update_interval: PositiveInt = Field(2_000, description="environment steps between target updates")
    exploration_initial_eps: Fraction = 1.0
    exploration_fraction: Fraction = Field(0.3, description="share of the steps after learning starts over which epsilon falls")
    exploration_final_eps: Fraction = 0.05
    loss: Literal["huber", "mse"] = "huber"
    double: bool = Field(True, description="double Q-learning (van Hasselt et al. 2016)")

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

    name: Literal["reinforce"]
    learning_rate: float = Field(1e-3, gt=0, le=1)
    ent_coef: float = Field(0.01, ge=0, description="weight of the entropy bonus")
    episodes_per_update: PositiveInt | None = Field(None, description="episodes behind one update; null = train.n_envs")


class A2cConfig(AgentBase):
    """Advantage actor-critic (Mnih et al. 2016, synchronous); n_steps: 1 is TD(0)."""

    name: Literal["a2c"]
    actor_learning_rate: float = Field(7e-4, gt=0, le=1, description="of the policy head and of the shared trunk")
    critic_learning_rate: float = Field(7e-4, gt=0, le=1, description="of the value head")
    n_steps: PositiveInt = Field(5, description="environment steps per environment behind one update")
    ent_coef: float = Field(0.01, ge=0, description="weight of the entropy bonus")
    vf_coef: float = Field(0.5, ge=0, description="weight of the value loss")


AgentConfig = Annotated[DqnConfig | ReinforceConfig | A2cConfig, Field(discriminator="name")]
