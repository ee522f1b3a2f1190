"""The environments in which other libraries' agents are measured; all need the environment of the benchmarks.

Inputs are equal to ours: a window of 32 x 6 features, flattened, and four account values behind it. Neither peer has
such values beside its window, so a subclass appends them from numbers that it keeps anyway.
"""

import warnings
from collections.abc import Callable

import gymnasium
import numpy as np
import pandas as pd
import workload
from gym_anytrading.envs import StocksEnv
from gym_trading_env.environments import TradingEnv

import trader.gym

warnings.resetwarnings()  # importing gym_trading_env turns every warning into an error
warnings.simplefilter("ignore")

OUR_MARKET = {
    "data": {"source": "synthetic", "market": {"kind": "ar1"}, "length": 10_000, "bar": "1d"},
    "features": [{"name": "log_return", "periods": [1, 2, 5, 10, 21, 63]}],
    "env": {
        "window_size": workload.WINDOW,
        "positions": workload.POSITIONS,
        "trading_fees": workload.TRADING_FEES,
        "borrow_interest_rate": workload.BORROW_RATE_PER_YEAR,
        "max_episode_duration": workload.EPISODE_BARS,
    },
}


def input_space() -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-np.inf, np.inf, (workload.NUM_INPUTS,), np.float32)


def flat_inputs(window: np.ndarray, account: tuple[float, ...]) -> np.ndarray:
    obs = np.empty(workload.NUM_INPUTS, np.float32)
    obs[: -workload.NUM_ACCOUNT_VALUES] = window.reshape(-1)
    obs[-workload.NUM_ACCOUNT_VALUES :] = account
    return obs


class AnyTrading(StocksEnv):
    """gym-anytrading's stocks with our bars, features and fees (its fees enter its profit, not its reward)."""

    def __init__(self):
        close = pd.DataFrame({"Close": workload.prices()["close"]})
        super().__init__(close, workload.WINDOW, (workload.WINDOW, workload.NUM_BARS))
        self.trade_fee_bid_percent = self.trade_fee_ask_percent = workload.TRADING_FEES
        self.observation_space = input_space()

    def _process_data(self):
        return self.df["Close"].to_numpy(np.float32), workload.features()

    def _get_observation(self):
        idle = self._current_tick - self._last_trade_tick
        account = (self._position.value, self._total_profit - 1.0, idle / workload.EPISODE_BARS, 0.0)
        return flat_inputs(super()._get_observation(), account)


class GymTrading(TradingEnv):
    """Gym-Trading-Env with our bars, features, positions, fees and borrow interest."""

    def __init__(self):
        table = pd.DataFrame(workload.prices(), index=pd.date_range("2000-01-01", periods=workload.NUM_BARS, freq="D"))
        for i, column in enumerate(workload.features().T):
            table[f"feature_{i}"] = column
        super().__init__(
            table,
            positions=workload.POSITIONS,
            dynamic_feature_functions=[],
            windows=workload.WINDOW,
            trading_fees=workload.TRADING_FEES,
            borrow_interest_rate=workload.BORROW_RATE_PER_YEAR / 252,
            initial_position=0,
            max_episode_duration=workload.EPISODE_BARS,
            verbose=0,
        )
        self.observation_space = input_space()

    def _get_obs(self):
        value = self.historical_info["portfolio_valuation", -1] / self.portfolio_initial_value - 1.0
        account = (self._position, self.historical_info["real_position", -1], value, self._step / workload.EPISODE_BARS)
        return flat_inputs(super()._get_obs(), account)


def our_market() -> gymnasium.Env:
    return gymnasium.make(trader.gym.ENV_ID, config=OUR_MARKET, disable_env_checker=True)


ENVS: dict[str, Callable[[], gymnasium.Env]] = {
    "gym-anytrading": AnyTrading,
    "gym-trading-env": GymTrading,
    "market": our_market,
}
