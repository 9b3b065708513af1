"""Random streams: one for each purpose, and no other way to one in the package."""

import ast
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

import kpop_rca
from kpop_rca.diffusion import samplers, trainer
from kpop_rca.oracles import candidates
from kpop_rca.study import fingerprint, paths, stages
from kpop_rca.system import seeds
from kpop_rca.system.seeds import Purpose

PACKAGE = Path(kpop_rca.__file__).parent


def first_numbers(sequence):
    return tuple(sequence.generate_state(4, np.uint64).tolist())


def test_no_two_streams_are_the_same():
    """Every purpose, with no index, and with indices that end in zeros, of studies of neighbouring seeds."""
    indices = ((), (0,), (0, 0), (0, 0, 0), (1,), (1, 0), (0, 1), (2, 0, 0))
    keys = [(purpose, seed, *own) for purpose in Purpose for seed in (0, 1, 2) for own in indices]
    streams = {first_numbers(seeds.sequence(*key)) for key in keys}
    assert len(streams) == len(keys)
    numbers = [number for stream in streams for number in stream]
    assert len(set(numbers)) == len(numbers)


def test_the_first_numbers_of_a_stream_stay_what_they_are():
    """They are those of every study drawn so far."""
    assert seeds.number(Purpose.IMAGE, 0, 3, 7) == first_numbers(np.random.SeedSequence(0, spawn_key=(6, 3, 7)))[0]
    drawn = seeds.generator(Purpose.PEOPLE, 5).integers(1000, size=3)
    assert (
        drawn.tolist()
        == np.random.default_rng(np.random.SeedSequence(5, spawn_key=(1,))).integers(1000, size=3).tolist()
    )


def starts(generator):
    return torch.randn(4, generator=generator).tolist()


def test_the_first_image_of_an_identity_shares_its_noise_with_nothing_of_two_numbers():
    """[seed, label, 0] was [seed, label], which a step of the training and an epoch's order had, too."""
    image = samplers.image_generator(seed=7, label=3, index=0)
    of_a_list = int(np.random.SeedSequence([7, 3]).generate_state(1, np.uint64)[0])
    assert starts(image) != starts(torch.Generator().manual_seed(of_a_list))


def test_an_epoch_and_a_step_of_its_number_have_streams_of_their_own():
    order = trainer.batch_indices(0, n=50, batch_size=50, seed=3)
    assert order.tolist() != np.random.default_rng([3, 0]).permutation(50).tolist()
    assert order.tolist() != np.random.default_rng(seeds.sequence(Purpose.TRAINING_STEP, 3, 0)).permutation(50).tolist()


def test_oracles_and_the_faces_that_they_learn_from_share_no_stream():
    assert candidates.oracle_seed(0, 0) not in {candidates.oracle_seed(*pair) for pair in ((0, 1), (1, 0), (1, 1))}
    assert len({candidates.oracle_seed(seed, number) for seed in range(20) for number in range(10)}) == 200


BUILDERS = ("SeedSequence", "default_rng", "manual_seed", "RandomState")


def is_seed(node):
    """Whether an expression is a seed as a study has it, or one put together: `seed`, `recipe.seed`, `[seed, 1]`."""
    drawn = ("plan.seed", "shot.seed")  # of one picture, from its own stream
    text = ast.unparse(node)
    named = (text.split(".")[-1] == "seed" or text.endswith("['seed']")) and text not in drawn
    return named or isinstance(node, ast.List | ast.Tuple | ast.BinOp)


def own_streams(source):
    """Lines that make a generator from a seed in a way of their own."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for call in calls:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
        given = [keyword.value for keyword in call.keywords if keyword.arg == "random_state"]
        put_together = [k.value for k in call.keywords if k.arg == "seed" and isinstance(k.value, ast.BinOp)]
        given += call.args if name in BUILDERS else []
        if name == "SeedSequence" or any(map(is_seed, given + put_together)):
            yield call.lineno


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("np.random.default_rng([seed, 1])", True),
        ("np.random.default_rng(seed + 1)", True),
        ("torch.manual_seed(recipe.seed)", True),
        ("np.random.SeedSequence(seed)", True),
        ("torch.manual_seed(parameters['seed'])", True),
        ("np.random.default_rng(seeds.sequence(Purpose.PEOPLE, seed))", False),
        ("np.random.default_rng(0)", False),
        ("draw(table, seed=seed + 1)", True),
        ("KFold(random_state=seed)", True),
        ("KFold(random_state=0)", False),
    ],
)
def test_a_stream_of_its_own_is_found(line, found):
    assert bool(list(own_streams(line))) is found


def test_every_stream_of_a_study_comes_from_its_purpose():
    """In the notebooks, and in the package but for the benchmarks, which measure seconds."""
    modules = [path for path in PACKAGE.rglob("*.py") if "benchmarks" not in path.parts and path.name != "seeds.py"]
    sources = {str(path.relative_to(PACKAGE)): path.read_text() for path in modules}
    for name in [stage.notebook for stage in stages.EVERY]:
        code = [cell.source for cell in fingerprint.cells_of(paths.notebook_source(name)) if cell.kind == "code"]
        sources[name] = "\n".join(line for text in code for line in text.splitlines() if line.lstrip()[:1] not in "!%")
    assert len(sources) > 60
    assert not {name: lines for name, text in sources.items() if (lines := list(own_streams(text)))}


def test_purposes_are_numbered_once():
    assert all(one.value != other.value for one, other in combinations(Purpose.__members__.values(), 2))
    assert len(Purpose.__members__) == len(set(Purpose))  # no alias
