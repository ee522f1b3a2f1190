"""Every key of an experiment file, typed, with unit, range and default."""

from trader.config.agent import A2cConfig, AgentConfig, DqnConfig, MlpNetwork, ReinforceConfig
from trader.config.data import (
    BuiltIn,
    DataConfig,
    FeatureConfig,
    FileSource,
    Repairs,
    Segments,
    SyntheticSource,
)
from trader.config.env import DrawdownPenalty, EnvConfig
from trader.config.experiment import EvaluationConfig, Experiment, TrainConfig

__all__ = [
    "A2cConfig",
    "AgentConfig",
    "BuiltIn",
    "DataConfig",
    "DqnConfig",
    "DrawdownPenalty",
    "EnvConfig",
    "EvaluationConfig",
    "Experiment",
    "FeatureConfig",
    "FileSource",
    "MlpNetwork",
    "ReinforceConfig",
    "Repairs",
    "Segments",
    "SyntheticSource",
    "TrainConfig",
]
