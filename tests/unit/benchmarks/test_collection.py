import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from kpop_rca.benchmarks import (
    ceilings,
    collection,
    ours,
    process,
    tasks,
    timing,
    verdicts,
)
from kpop_rca.benchmarks.baselines import features as baseline_features
from kpop_rca.benchmarks.baselines import torchvision as baseline_torchvision
from kpop_rca.benchmarks.setting import Setting, random_features
from kpop_rca.benchmarks.timing import OURS, Work
from kpop_rca.errors import StudyError
from kpop_rca.study import fingerprint, params, paths, stage_run
from kpop_rca.system import devices

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def work(order, who, items=4):
    return lambda: Work(run=lambda: order.append(who), items=items)


def test_programs_take_turns_and_each_goes_first_in_its_turn():
    order = []
    prepare = {who: work(order, who) for who in (OURS, "b", "c")}
    table = timing.in_turns(prepare, repeats=3, warm_up=1, device=CPU)
    assert [set(order[k : k + 3]) for k in range(0, 12, 3)] == [{OURS, "b", "c"}] * 4
    assert sorted(order[3::3]) == sorted([OURS, "b", "c"])
    assert table.groupby("who")["repeat"].apply(list).to_dict() == {who: [0, 1, 2] for who in (OURS, "b", "c")}


def test_what_is_committed_follows_from_its_own_times():
    """A target that changes later changes the committed verdicts, too."""
    folder = paths.committed_report("benchmarks-cpu") / "tables"
    for name, table in collection.summary(collection.committed("benchmarks-cpu")).items():
        assert (folder / f"90_{name}.csv").read_text(encoding="utf-8") == table.to_csv(index=False), name


def broken(*, at_call):
    calls = []

    def run():
        calls.append(1)
        if len(calls) == at_call:
            raise RuntimeError("out of\nluck")

    return lambda: Work(run=run, items=1)


def missing():
    import no_such_library  # noqa: F401


def test_a_baseline_that_fails_is_a_row_without_numbers_and_stops_nobody():
    order = []
    prepare = {OURS: work(order, OURS), "missing": missing, "breaks": broken(at_call=3)}
    table = timing.in_turns(prepare, repeats=3, warm_up=1, device=CPU).set_index("who")
    assert order == [OURS] * 4
    assert "no_such_library" in table.loc["missing", "why"]
    assert table.loc["breaks", "why"] == "RuntimeError: out of luck"
    assert table.loc[["missing", "breaks"], "seconds"].isna().all()


def test_a_failure_of_ours_is_an_error():
    with pytest.raises(RuntimeError, match="luck"):
        timing.in_turns({OURS: broken(at_call=1)}, repeats=1, warm_up=0, device=CPU)


def test_operations_are_counted_as_by_hand(setting):
    convolution, x = nn.Conv2d(3, 8, 3, padding=1), torch.zeros(2, 3, 16, 16)
    assert ceilings.counted_flops(lambda: convolution(x)) == 2 * (2 * 8 * 16 * 16) * (3 * 3 * 3)
    product = ceilings.matrix_product(setting)
    assert ceilings.counted_flops(product.run) == product.counts["flops"]


def test_an_oracle_costs_what_is_known_of_resnet18_on_small_images(parameters, tmp_path):
    """0.56 billion multiplications and additions an image of 32 pixels, and with the backward pass three times that."""
    setting = Setting(parameters | {"architectures": ["resnet18"], "oracle_width": 64}, CPU, tmp_path)
    forward = ours.oracle_flops(setting, training=False)
    assert forward == pytest.approx(2 * 0.556e9, rel=0.01)
    assert ours.oracle_flops(setting, training=True) == pytest.approx(3 * forward, rel=0.01)


def test_the_papers_unet_costs_what_the_target_counts_with(tmp_path):
    """12.8 GFLOP an image for training at 32 px in convolutions and linear layers; with attention 4 % more."""
    setting = Setting(params.resolve("benchmarks-gpu"), GPU, tmp_path)
    training, forward = (ours.unet_flops(setting, training=flag) for flag in (True, False))
    assert 12.8e9 < training < 1.06 * 12.8e9
    assert training == pytest.approx(3 * forward, rel=0.01)


def times_of(task, who, seconds, *, items=10, flops=np.nan, nbytes=np.nan, why=""):
    return pd.DataFrame(
        {"task": task, "unit": "images", "who": who, "repeat": range(len(seconds)), "seconds": seconds}
        | {"items": items, "flops": flops, "bytes": nbytes, "why": why}
    )


def test_ratios_are_taken_within_a_repeat():
    """The machine was busy in the second repeat: both took ten times as long, and the ratio stays two."""
    times = pd.concat([times_of(tasks.TRAINING, OURS, [1, 10, 1]), times_of(tasks.TRAINING, "diffusers", [2, 20, 2])])
    (row,) = verdicts.ratios(times, device="cpu").itertuples()
    assert (row.ratio, row.low, row.high, row.n, row.target, row.verdict) == (2, 2, 2, 3, 1.45, verdicts.MET)
    assert row.wanted == pytest.approx(10 * 1.45 / 2)
    assert verdicts.ratios(times, device="cuda")["verdict"].tolist() == [verdicts.MISSED]


def test_every_target_of_speed_has_a_program_that_it_is_held_against(parameters):
    """A baseline renamed in one place would lose its target in silence."""
    of_speed = verdicts.TARGETS[verdicts.TARGETS.index.get_level_values("beside") != ""]
    assert len(of_speed) == 5
    for (task_name, who), target in of_speed.iterrows():
        assert who == verdicts.SEPARATE or who in tasks.by_name(parameters)[task_name].baselines
        times = pd.concat([times_of(task_name, OURS, [1, 1], flops=1.0), times_of(task_name, who, [9, 9], flops=1.0)])
        (row,) = verdicts.ratios(times, device="cpu").itertuples()
        assert (row.who, row.ratio, row.target) == (who, 9, target["cpu"])


def test_another_model_is_compared_at_equal_operations():
    """Theirs draws as many images a second with half the operations of each: ours does twice the work."""
    ours = times_of(tasks.TRAINING, OURS, [1, 1], flops=8.0)
    theirs = times_of(tasks.TRAINING, tasks.DENOISING, [1, 1], flops=4.0)
    (row,) = verdicts.ratios(pd.concat([ours, theirs]), device="cpu").itertuples()
    assert (row.ratio, row.per) == (2, "FLOP")


def test_the_ceiling_is_the_product_of_the_same_task():
    product = times_of(tasks.DDIM, ceilings.PRODUCT, [2.0, 2.0], items=1, flops=100.0)
    other = times_of(tasks.TRAINING, ceilings.PRODUCT, [0.1, 0.1], items=1, flops=100.0)
    times = pd.concat([times_of(tasks.DDIM, OURS, [5, 5], flops=5.0), product, other])
    (row,) = verdicts.rates(times[times["task"] == tasks.DDIM]).itertuples()
    assert (row.rate, row.ceiling, row.fraction) == (2.0, 10.0, 0.2)
    assert verdicts.rates(times).query("task == @tasks.DDIM")["ceiling"].tolist() == [10.0]


def test_one_after_another_is_the_sum_of_the_fastest_of_each_measure():
    seconds = {
        OURS: [1, 1],
        "FID by slow": [9, 9],
        "FID by fast": [2, 3],
        "KID by a": [4, 4],
        "PRDC by prdc": [1, 2],
        "precision, recall by b": [0.1, 0.1],
    }
    times = pd.concat([times_of(tasks.MEASURES, who, s) for who, s in seconds.items()])
    added = verdicts.with_separate(times)
    assert added[added["who"] == verdicts.SEPARATE]["seconds"].tolist() == [7, 9]
    assert verdicts.ratios(added, device="cpu")["who"].tolist() == [verdicts.SEPARATE]
    without = times[~times["who"].str.startswith("PRDC")]
    assert verdicts.with_separate(without) is without


def test_a_baseline_without_numbers_has_a_ratio_without_numbers_and_its_reason():
    absent = times_of(tasks.TRAINING, "diffusers", [np.nan], items=np.nan, why="not there").assign(repeat=np.nan)
    times = pd.concat([times_of(tasks.TRAINING, OURS, [1, 1]), absent])
    (row,) = verdicts.ratios(times, device="cpu").itertuples()
    assert np.isnan(row.ratio)
    assert (row.verdict, row.why) == ("not measured", "not there")


def test_an_exponent_is_the_power_that_the_cost_was_made_with():
    x = np.array([1, 2, 4, 8])
    noise = np.exp(np.random.default_rng(0).normal(0, 0.01, 4))
    table = pd.DataFrame(
        {
            "what": "a",
            "axis": tasks.IMAGES,
            "x": x,
            "seconds": 3 * x**2.0 * noise,
            "peak_bytes": 5 + x * 0.0,
        }
    )
    found = verdicts.exponents(table).set_index("cost")
    assert found.loc["seconds", "exponent"] == pytest.approx(2, abs=4 * found.loc["seconds", "standard_error"])
    assert 0 < found.loc["seconds", "standard_error"] < 0.03
    assert found.loc["peak_bytes", "exponent"] == pytest.approx(0)
    two = verdicts.exponents(table.iloc[:2]).set_index("cost")
    assert np.isnan(two.loc["seconds", "standard_error"])


def growing(what, slope, *, megabytes, noise):
    data = np.linspace(1, megabytes + 1, 4) * 1e6
    peak = 3e8 + slope * data + noise * np.array([1, -1, -1, 1]) * megabytes * 1e6
    table = {"what": what, "axis": tasks.IMAGES, "x": data, "data_bytes": data, "peak_bytes": peak}
    return verdicts.memory(pd.DataFrame(table), device="cpu")


@pytest.mark.parametrize(
    ("slope", "megabytes", "expected"),
    [
        (0.5, 50, verdicts.MET),
        (1.6, 50, verdicts.MISSED),
        (1.0, 50, verdicts.UNDECIDED),
        (0.5, 1, "too little data to tell"),
    ],
)
@pytest.mark.parametrize(("what", "held"), [(tasks.DETECTION, 0), (tasks.STEP, 1)])
def test_memory_is_held_against_the_datas_own_size_beyond_what_was_handed_over(slope, megabytes, expected, what, held):
    found = growing(what, held + slope, megabytes=megabytes, noise=0.002)
    assert found["growth"].tolist() == pytest.approx([held + slope], abs=0.01)
    assert found["beyond"].tolist() == pytest.approx([slope], abs=0.01)
    assert found["verdict"].tolist() == [expected]


@pytest.mark.parametrize(
    ("what", "slope", "expected"),
    [
        (tasks.STEP, 1.0, verdicts.MET),
        (tasks.STEP, 2.0, verdicts.MISSED),
        (tasks.GENERATION, 0.0, verdicts.MET),
        (tasks.GENERATION, 1.0, verdicts.MISSED),
    ],
)
def test_peaks_without_any_noise_as_a_gpu_has_them_are_predicted_too(what, slope, expected):
    """The faces that lie on a GPU once are no second copy of them, which would be missed."""
    assert growing(what, slope, megabytes=50, noise=0)["verdict"].tolist() == [expected]


def test_the_papers_run_is_counted_from_the_rates():
    names = [tasks.TRAINING, tasks.DDIM, tasks.DDPM, tasks.CLASSIFYING]
    rates = pd.DataFrame({"task": names, "rate": [20_000.0, 1000.0, 500.0, 10_000.0], "who": OURS, "fraction": 0.2})
    found = verdicts.whole_runs(rates, steps_ddpm=50, study_seconds=700.0, device="cuda")
    assert found["value"].tolist() == [50.0, 2000.0, 100.0, 5.0, 0.2, 700.0]
    assert found["verdict"].tolist() == [verdicts.MET, verdicts.MISSED, verdicts.MET, "", verdicts.MISSED, ""]
    for seconds, verdict in ((500.0, ""), (700.0, verdicts.MISSED)):  # without 07 it is not all of `make study`
        on_cpu = verdicts.whole_runs(rates, steps_ddpm=50, study_seconds=seconds, device="cpu")
        assert on_cpu["verdict"].tolist() == ["", "", "", "", "", verdict]


def test_baselines_do_the_work_that_ours_does():
    """Their FID is ours, and their KID is within its spread of ours, so that the times are times of the same."""
    from kpop_rca.image_metrics import frechet, kid, prdc

    real, generated = random_features(200, 16, seed=0)
    our_fid = frechet.frechet_distance(real, generated)
    our_kid, sd = kid.kernel_distance(real, generated, generator=np.random.default_rng(0))
    assert float(baseline_features.BASELINES["FID by torchmetrics"](real, generated)) == pytest.approx(
        our_fid, rel=1e-3
    )
    theirs = baseline_features.torch_fidelity_fid(real, generated)["frechet_inception_distance"]
    assert theirs == pytest.approx(our_fid, rel=1e-6)
    assert float(baseline_features.torchmetrics_kid(real, generated)[0]) == pytest.approx(our_kid, abs=sd)
    theirs = baseline_features.torch_fidelity_kid(real, generated)["kernel_inception_distance_mean"]
    assert theirs == pytest.approx(our_kid, abs=sd)
    theirs = baseline_features.torch_fidelity_pr(real, generated)
    assert theirs["precision"] == pytest.approx(prdc.neighbourhood_measures(real, generated)["precision"])


@pytest.mark.parametrize(
    ("library", "baseline"),
    [("pytorch_fid", baseline_features.pytorch_fid_fid), ("cleanfid", baseline_features.clean_fid_fid)],
)
def test_baselines_outside_the_lock_do_too_where_they_are_installed(library, baseline):
    from kpop_rca.image_metrics import frechet

    pytest.importorskip(library)
    real, generated = random_features(200, 16, seed=0)
    assert float(baseline(real, generated)) == pytest.approx(frechet.frechet_distance(real, generated), rel=1e-3)


@pytest.fixture
def parameters():
    return params.resolve("benchmarks-smoke") | {"bench_scales": [1, 2]}


@pytest.fixture
def setting(output, parameters):
    return Setting(parameters, CPU, output)


def test_all_read_the_same_faces(setting):
    from PIL import Image

    images, labels = setting.faces
    files = sorted(setting.face_folder.rglob("*.png"), key=lambda path: path.name)
    assert images.shape == (setting["bench_faces"], 32, 32, 3)
    assert len(files) == len(images)
    assert [int(path.parent.name) for path in files] == labels.tolist()
    assert all(np.array_equal(np.asarray(Image.open(files[k])), images[k]) for k in (0, 1, len(files) - 1))


@pytest.mark.usefixtures("fresh_accelerate")
@pytest.mark.parametrize(
    "name",
    [
        tasks.TRAINING,
        tasks.DDIM,
        tasks.DETECTION,
        tasks.ORACLES,
        tasks.CLASSIFYING,
        tasks.MEASURES,
        tasks.LPIPS,
        tasks.READING,
    ],
)
def test_every_program_runs(setting, name, monkeypatch):
    monkeypatch.setitem(ceilings.SIDE, "cpu", 8)
    monkeypatch.setitem(ceilings.COPIED, "cpu", 64)
    table = process.timed(tasks.Part(name, setting.parameters), setting)
    absent = table[table["seconds"].isna()]
    only_for_benchmarks = "No module named '(denoising_diffusion_pytorch|pytorch_fid|cleanfid|prdc)"
    assert absent["why"].str.match(f"ModuleNotFoundError: {only_for_benchmarks}").all(), absent["why"].tolist()
    done = table.drop(absent.index)
    assert set(done["who"]) >= {OURS, ceilings.PRODUCT, ceilings.COPY}
    assert done.groupby("who")["repeat"].count().eq(2).all()
    of_task = done[~done["who"].isin([ceilings.PRODUCT, ceilings.COPY])]
    assert of_task["items"].nunique() == 1
    if name in (tasks.TRAINING, tasks.DDIM, tasks.DETECTION, tasks.ORACLES, tasks.CLASSIFYING):
        assert of_task["flops"].gt(0).all()


def test_the_peak_is_that_of_the_whole_life_of_a_process():
    code = (
        "import numpy, torch; from kpop_rca.benchmarks import process; d = torch.device('cpu');"
        "before = process.peak_bytes(d); a = numpy.ones(10**8, numpy.uint8); del a;"
        "print(process.peak_bytes(d) - before)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.95e8 < int(run.stdout) < 1.2e8


def test_a_part_is_measured_in_a_process_of_its_own_and_a_size_that_fails_has_a_reason(output, parameters):
    """A task at which ours fails is an error."""
    part = next(part for part in tasks.parts(parameters, device=CPU) if part.what == tasks.MEASURES)
    too_few = replace(part, parameters=part.parameters | {"bench_features": 3})
    where = {"device": CPU, "folder": output / "parts", "scratch": output}
    good, bad = (process.measured(each, **where) for each in (part, too_few))
    assert good["data_bytes"].tolist() == [2 * 4 * part.x * 512] * parameters["bench_repeats"]
    assert good[["seconds", "peak_bytes"]].gt(0).all(axis=None)
    assert "seconds" not in bad
    assert "need 4 or more rows" in bad["why"].item()
    with pytest.raises(StudyError, match=r"FID, KID and PRDC: .*need 4 or more rows"):
        process.measured(replace(too_few, axis=""), **where)


def test_sizes_are_what_the_parameters_ask_for(parameters):
    found = {}
    for part in tasks.parts(parameters, device=CPU):
        found.setdefault((part.what, part.axis), []).append(part.x)
    assert found.pop(("", "")) == [0] * len(tasks.by_name(parameters))
    detected = found.pop((tasks.DETECTION, tasks.IMAGES))
    assert detected == [detected[0], 2 * detected[0]]
    assert found == {
        (tasks.STEP, tasks.IMAGES): [100, 200],
        (tasks.GENERATION, tasks.IMAGES): [80, 160],
        (tasks.MEASURES, tasks.IMAGES): [48, 96],
        (tasks.STEP, tasks.CLASSES): [4],
        (tasks.STEP, tasks.SIDE): [16],
        (tasks.STEP, tasks.BATCH): [4, 8],
        (tasks.STEP, tasks.PROCESSES): [2],
    }


def test_a_folder_with_more_avatars_than_are_wanted_is_read_all_the_same(output, parameters):
    """Twelve of ten identities are rendered as two of each."""
    setting = Setting(parameters | {"bench_avatars": 12}, CPU, output)
    work = baseline_torchvision.image_folder(setting, workers=0)
    assert sum(len(images) for images in work.run()) == work.counts["items"] == 20
    assert ours.read(setting).counts["items"] == 12


@pytest.fixture
def brief(parameters, monkeypatch):
    """A run of one task and two sizes."""
    found = [part for part in tasks.parts(parameters, device=CPU) if part.what == tasks.MEASURES]
    monkeypatch.setattr(tasks, "parts", lambda *_, **__: [tasks.Part(tasks.LPIPS, parameters), *found])
    return parameters | {"study": "brief"}


@pytest.fixture
def asked(monkeypatch):
    """The parts that were measured, in turn; the time stands for the result."""
    found = []

    def measure(part, _, result):
        found.append(part)
        row = {"who": OURS, "repeat": 0, "seconds": time.perf_counter(), "peak_bytes": 1, "data_bytes": 1, "why": ""}
        pd.DataFrame([row]).to_csv(result, index=False)

    monkeypatch.setattr(process, "_measure", measure)
    return found


def measured(parameters):
    stage = stage_run.begin("90_benchmarks", parameters)
    return collection.measure(stage.parameters, device=CPU, folder=stage.folder, progress=ours.NO_BAR)


def contents(parts):
    return {path.name: path.read_bytes() for path in parts.rglob("*.csv")}


@pytest.mark.filterwarnings("error:.*fill value")  # where no part has a reason why it failed
def test_a_run_that_was_stopped_goes_on_with_the_parts_that_the_same_code_has_ended(output, brief, asked, monkeypatch):
    parts, measure = output / "artifacts" / "brief" / "benchmarks" / "parts", process._measure

    def stopped_at_the_third(*about):
        if len(asked) == 2:
            raise KeyboardInterrupt
        measure(*about)

    monkeypatch.setattr(process, "_measure", stopped_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        measured(brief)
    before = contents(parts)
    assert len(before) == 2
    monkeypatch.setattr(process, "_measure", measure)
    tables = measured(brief)
    assert before.items() <= contents(parts).items()
    assert [(part.task, part.x) for part in asked] == [(tasks.LPIPS, 0), (tasks.MEASURES, 48), (tasks.MEASURES, 96)]
    assert tables[collection.SCALING]["x"].tolist() == [48, 96]
    assert tables[collection.TIMES]["task"].tolist() == [tasks.LPIPS]
    assert list(tables[collection.TIMES]) == collection.OF_TIMES
    monkeypatch.setattr(fingerprint, "of_computing", lambda _: "other code")
    stage_run.begin("90_benchmarks", brief)
    assert not contents(parts)


def test_parts_are_of_one_machine_and_of_parameters_that_only_change_the_speed(tmp_path, parameters, asked):
    """A stage takes up what was begun on another device, since results do not depend on it; times do."""
    for changed, device in (({}, CPU), ({}, CPU), ({"detector_batch_size": 5}, CPU), ({}, torch.device("mps"))):
        part = tasks.Part(tasks.LPIPS, parameters | changed)
        process.measured(part, device=device, folder=tmp_path, scratch=tmp_path)
    assert len(asked) == 3


def test_the_committed_tables_are_read_under_todays_names(parameters):
    tables = collection.committed("benchmarks-cpu")
    times = tables[collection.TIMES]
    assert times.groupby("task")["unit"].first().to_dict() == {
        name: task.unit for name, task in tasks.by_name(parameters).items()
    }
    assert "bench_avatars" in tables[collection.MACHINE]["quantity"].tolist()
    found = collection.summary(tables)
    assert found["ratios"]["verdict"].value_counts().to_dict() == {"": 10, verdicts.MET: 4, verdicts.UNDECIDED: 1}
    assert found["memory"]["verdict"].tolist() == [verdicts.MET] * 4


def test_tables_that_are_not_there_say_how_to_come_by_them():
    with pytest.raises(StudyError, match=r"reports/nobody/tables/90_times.csv is not there; run: make bench"):
        collection.committed("nobody")


def test_a_training_goes_as_far_as_it_is_let_and_no_further():
    seen = []

    def fit(bar):
        for step in bar(range(10)):
            seen.append(step)
            if step == 7:
                raise ValueError("a loss of nan")

    advance = ours.in_steps(fit)
    assert seen == []
    advance(3)
    advance(2)
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="nan"):
        advance(4)
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7]


def test_what_is_measured_apart_is_code_of_the_stage_too():
    closure = fingerprint.module_closure(frozenset({"benchmarks.collection"}))
    assert {"benchmarks.process", "benchmarks.baselines.denoising"} <= {*closure}


def test_sampling_is_compiled_where_the_papers_run_would_be(output):
    on_gpu = Setting(params.resolve("benchmarks-gpu"), GPU, output)
    calls = [ours.paper_calls(on_gpu, sampler=sampler) for sampler in ("ddim", "ddpm")]
    assert calls == [2500, 50_000]
    assert min(calls) >= devices.WORTH_COMPILING
