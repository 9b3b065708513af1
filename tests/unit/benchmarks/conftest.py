import pytest
import torch

from kpop_rca.benchmarks import record
from kpop_rca.study import params

TINY = {
    "image_size": 16,
    "channels": [8, 16],
    "attention_size": 0,
    "batch_size": 8,
    "architectures": ["resnet10"],
    "oracle_seeds": 1,
    "oracle_width": 8,
    "oracle_epochs": 1,
    "images_per_identity": 3,
    "sampling_batch_size": 3,
    "sampling_steps": 2,
    "record_seeds": 1,
    "record_steps": [2, 3],
    "record_learning_rates": [1e-3, 1e-2],
    "record_guidances": [0.0, 1.0],
}


@pytest.fixture
def tiny(output, splits, fresh_accelerate):
    faces = splits | {"oracle": splits["train"]}
    return record.Record(params.defaults() | TINY | {"study": "tiny"}, faces, torch.device("cpu"))
