"""An oracle trained in seconds: its recipe."""

from kpop_rca.oracles import training

RECIPE = training.Recipe(
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
