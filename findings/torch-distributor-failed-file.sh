#!/usr/bin/env bash
# Guessed: TorchDistributor.run(FILE) raises where FILE ends with an error, as torchrun itself does.
#
# pyspark 4.2.0 starts torchrun through a wrapper of its own (torch_run_process_wrapper), which waits
# for it, and ends with 0 whatever torchrun's exit code was. So run("train.py") of a training that
# failed returns None, as one that succeeded does, and a job goes on without a model. Of a function
# the same failure is a RuntimeError, as its result is missing. Seen on Sail 0.7.2 with local_mode=True;
# the wrapper is the same on Spark, and for tasks on a cluster.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet pyspark-client==4.2.0 pysail==0.7.2 torch==2.15.0 pandas==2.3.3 \
    pyarrow==22.0.0 grpcio==1.76.0 grpcio-status==1.76.0 googleapis-common-protos==1.72.0 \
    zstandard==0.25.0 numpy==2.3.5
cd "$place"
echo 'raise SystemExit("training failed")' >train.py

code=0
env/bin/torchrun --standalone --nproc_per_node=1 train.py >said.txt 2>&1 || code=$?
echo "torchrun train.py: exit code $code"
[ "$code" = 1 ]

cat >job.py <<'END'
from pysail.spark import SparkConnectServer
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession


def train():
    raise SystemExit("training failed")


server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
host, port = server.listening_address
spark = SparkSession.builder.remote(f"sc://{host}:{port}").create()
distributor = TorchDistributor(num_processes=1, local_mode=True, use_gpu=False)
print("run(FILE):", distributor.run("train.py"))
try:
    print("run(FUNCTION):", distributor.run(train))
except RuntimeError as error:
    print("run(FUNCTION): RuntimeError")
END
env/bin/python job.py 2>&1 | grep "^run(" | tee found.txt
grep -qx "run(FILE): None" found.txt
grep -qx "run(FUNCTION): RuntimeError" found.txt
