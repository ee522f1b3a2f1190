"""The `env` section: what an action means, when it fills, what it costs, what it is paid."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trader.config.base import Fraction, Section


class DrawdownPenalty(Section):
    """Subtracts weight · max(0, |drawdown| − threshold) from each bar's reward."""

    threshold: Fraction = Field(default=0.25, description="drawdown from the peak that is still free (fraction)")
    weight: float = Field(default=0.1, ge=0, description="penalty per bar and unit of drawdown beyond the threshold")


class EnvConfig(Section):
    """The market environment (one simulator for training, evaluation and backtest)."""

    window_size: int = Field(default=32, ge=1, le=4096, description="feature rows the agent sees (bars)")
    positions: list[Annotated[float, Field(ge=-10, le=10)]] = Field(
        default=[-1.0, 0.0, 1.0],
        min_length=2,
        max_length=101,
        description="ascending target exposures (fractions of equity)",
    )
    actions: Literal["targets", "orders"] = Field(
        default="targets",
        description="targets: action k = positions[k]; orders: sell, hold, buy = one rung down, stay, up",
    )
    fill: Literal["next_open", "next_close", "close"] = Field(
        default="next_open", description="price an order fills at; `close` is optimistic and every report says so"
    )
    initial_cash: float = Field(
        default=100_000.0, gt=0, description="cash at the start of an episode or backtest, per asset"
    )
    trading_fees: float = Field(default=0.001, ge=0, lt=0.2, description="fraction of traded notional, per side")
    slippage_bps: float = Field(default=2.0, ge=0, lt=1000, description="adverse move of each fill (basis points)")
    spread_bps: float = Field(
        default=0.0, ge=0, lt=1000, description="bid-ask spread, half paid per side (basis points)"
    )
    borrow_interest_rate: float = Field(
        default=0.02, ge=0, le=1, description="per year, actual/365, on short notional and on negative cash"
    )
    reward: Literal["log_return", "pnl", "realized_pnl", "differential_sharpe"] = Field(
        default="log_return", description="what one bar pays, net of all costs"
    )
    reward_scale: Literal["auto"] | Annotated[float, Field(gt=0)] = Field(
        default="auto", description="rewards are divided by this; auto = deviation of the training bars' log returns"
    )
    differential_sharpe_rate: float = Field(
        default=0.01, gt=0, le=1, description="decay of the moving moments (per bar)"
    )
    drawdown_penalty: DrawdownPenalty | None = Field(default=None, description="null = none")
    turnover_penalty: float = Field(
        default=0.0, ge=0, description="reward lost per unit of equity traded, besides costs"
    )
    max_episode_duration: int | None = Field(
        default=252, ge=2, description="bars of a training episode; null = to the end of the segment"
    )

    @model_validator(mode="after")
    def _consistent(self) -> EnvConfig:
        if any(b <= a for a, b in zip(self.positions, self.positions[1:], strict=False)):
            raise ValueError(f"positions must be ascending without repeats; received {list(self.positions)}")
        if self.actions == "orders" and 0 not in self.positions:
            raise ValueError(f"actions: orders needs 0 in positions; received {list(self.positions)}")
        if max(abs(e) for e in self.positions) * self.cost_fraction >= 0.5:
            largest = max(abs(e) for e in self.positions)
            raise ValueError(
                f"a trade to the largest position ({largest:g}) costs {largest * self.cost_fraction:.0%} of equity;"
                " lower trading_fees, slippage_bps, spread_bps or positions to below 50%"
            )
        return self

    @property
    def cost_fraction(self) -> float:
        """Upper bound of one side's cost per unit of reference notional."""
        moved = self.slippage_bps / 1e4 + self.spread_bps / 2e4
        return moved + (1 + moved) * self.trading_fees

    @property
    def num_actions(self) -> int:
        """Number of actions A: one per position, or sell, hold, buy."""
        return 3 if self.actions == "orders" else len(self.positions)
