"""The market environment for other libraries: importing this registers `trader/Market-v0` with Gymnasium.

Example:
    import gymnasium
    import trader.gym

    env = gymnasium.make("trader/Market-v0", config="configs/nasdaq-a2c.yaml", segment="train")
"""

from __future__ import annotations

import os

try:
    import gymnasium
except ImportError:
    raise ImportError("trader.gym needs Gymnasium, which is not installed: pip install 'trader[gym]'") from None

ENV_ID = "trader/Market-v0"

# Keras starts with the first environment; a learner's own output should not drown in TensorFlow's notes.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if ENV_ID not in gymnasium.registry:
    gymnasium.register(
        ENV_ID,
        entry_point="trader.gym.single:GymMarketEnv",
        vector_entry_point="trader.gym.vector:GymMarketVectorEnv",
    )
