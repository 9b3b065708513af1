"""An oracle trained in seconds: its recipe; and predictions written by hand."""

import numpy as np
import pandas as pd

from kpop_rca.oracles import training
from kpop_rca.system import files

RECIPE = training.OracleRecipe(
    width=8,
    warmup_epochs=1,
    epochs=10,
    batch_size=16,
    learning_rate=3e-3,
    weight_decay=0.05,
    colour_jitter=0.0,
    pretrained=False,
    seed=0,
)


def write_oracle(folder, name, predicted, labels, *, trained_on="oracle", validation=0.5, sure=0.8, n_classes=3):
    """An oracle's files as far as they are read here: it names `predicted`, equally sure of each."""
    architecture, seed = name.split("-")[:2]
    probabilities = np.full((len(labels), n_classes), (1 - sure) / (n_classes - 1))
    probabilities[np.arange(len(labels)), predicted] = sure
    table = pd.DataFrame(probabilities, columns=[f"p_{k}" for k in range(n_classes)])
    table.insert(0, "label", labels)
    table.insert(1, "predicted", predicted)
    accuracy = float((np.asarray(predicted) == labels).mean())
    about = {"architecture": architecture, "seed": int(seed), "trained_on": trained_on, "n_train": 30}
    about |= {"starts_from": "random weights", "validation": {"accuracy": validation}}
    files.write_json(
        folder / name / training.ABOUT, about | {"test": {"accuracy": accuracy, "loss": 0.5, "macro_f1": 0.6}}
    )
    table.to_parquet(folder / name / training.TEST_PREDICTIONS, index=False)


def long(oracle, predicted, label, *, trained_on="oracle"):
    architecture, seed = oracle.split("-")[:2]
    which = {"oracle": oracle, "architecture": architecture, "seed": int(seed), "trained_on": trained_on}
    return pd.DataFrame(which | {"image": range(len(predicted)), "label": label, "predicted": predicted})
