"""The sentences of the page that no measurement changes."""

NOT_MEASURED = "Not measured yet."

INTRODUCTION = """Written by `make bench` (about an hour and a half on two cores that do nothing else); each part can be
measured alone and the page written anew by `python benchmarks/report.py`. Figures move with the machine and its load,
ratios less. [`trader bench`](bench.md) measures your machine in a minute."""

SPEED_METHOD = """Every measurement is a process of its own; compilation and warm-up are left out. Before the rounds
each side tried one thread and its libraries' default and, where a row says so, numbers of environments; the fastest was
measured anew. In a round all sides of a block run in turn, in the opposite order in every other round; a ratio is the
median of the rounds' own ratios, with the least and the most. Ours is the backend that was faster."""

CONDITIONS = """### What is equal, and what is not

- Network inputs: 196 on all sides, a window of 32 bars × 6 features and four account values. gym-anytrading and
  Gym-Trading-Env have no account values beside their window, so a subclass appends four that they keep anyway
  (position, profit, bars since the last trade or episode, and zero where they have no fourth).
- Network: two hidden layers of 64 with ReLU; A2C's actor and critic share them, here, in Stable-Baselines3 and in the
  CleanRL-like agent. Adam, equal learning rates, gradient clipping, batch and updates per environment step.
- DQN: uniform replay of 100,000 transitions, no double Q-learning. *Equal updates*: one update of 32 per 4 environment
  steps (ours: 4 updates after every 16 steps of 16 environments). *Batch of 128*: ours learns from as many transitions
  per environment step in a quarter of the updates, one of 128 per 16 steps; the peers keep 32 per 4. What that does to
  learning is measured below.
- Ours accounts for fees, slippage, borrow interest, shorts, ruin and action masks, fills at the next open and plays
  252-bar episodes. Gym-Trading-Env charges fees and interest and plays the same positions and episodes. gym-anytrading
  knows two positions, charges fees in its profit but not in its reward, and plays the whole file.
- `trader/Market-v0` is our market behind Gymnasium's interface, on JAX: what a peer's agent gains by our environment
  without our compiled loop.
- Stable-Baselines3 and SBX step their environments in one process (`DummyVecEnv`) on the CPU.
- SBX has no A2C: its row is its PPO with one epoch, one minibatch, λ = 1, no clipping and no normalised advantages,
  which has the same gradients; its actor and critic are two networks of 64-64. Its DQN clips no gradients.
- *CleanRL-like* is a single-file PyTorch agent written for this comparison in CleanRL's style; our market is one vector
  environment there, the other is stepped by Gymnasium's `SyncVectorEnv`.
- Peak memory is that of the whole process, libraries and compiler included."""
