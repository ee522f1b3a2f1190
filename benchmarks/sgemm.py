"""One measurement of the roof per process: the best float32 matrix product of NumPy and of the compiler."""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from trader.bench.roof import measure_roof

if __name__ == "__main__":
    roof = measure_roof(on_gpu=False)
    print(json.dumps({"numpy_gflops": roof.numpy_gflops, "backend_gflops": roof.backend_gflops, "size": roof.size}))
