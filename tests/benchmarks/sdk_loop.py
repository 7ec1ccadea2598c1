"""The SageMaker Python SDK v2, as its examples use it: a loop over requests of 14,000 rows. Run by `scoring.py`."""

import json
import sys
import time
from unittest.mock import Mock

import boto3
import numpy as np
import pandas as pd
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer

url, name, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
frame = pd.DataFrame(np.random.default_rng(0).standard_normal((rows, 20)))
runtime = boto3.client("sagemaker-runtime", endpoint_url=url)
session = sagemaker.Session(boto3.Session(), sagemaker_client=Mock(), sagemaker_runtime_client=runtime)
predictor = Predictor(name, session, serializer=CSVSerializer(), deserializer=CSVDeserializer())
predictor.predict(frame[:10])
started = time.perf_counter()
answers = []
for start in range(0, rows, 14_000):
    answers.extend(predictor.predict(frame[start : start + 14_000]))
elapsed = time.perf_counter() - started
if len(answers) != rows:
    sys.exit(f"{len(answers)} answers for {rows} rows")
print(json.dumps({"rows_per_second": rows / elapsed, "seconds": elapsed}))
