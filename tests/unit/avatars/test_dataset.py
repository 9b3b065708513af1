"""The rendered dataset: layout, truth, rates, independence of workers, and what must never be overwritten."""

import imagehash
import numpy as np
import pytest
from PIL import Image
from small_avatars import SMALL

from kpop_rca.avatars import dataset, photograph
from kpop_rca.errors import StudyError


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("rendered") / "avatars"
    return root, dataset.render_dataset(root, **SMALL, workers=1)


def plans(**changes):
    """The plans of a large dataset, without images."""
    arguments = SMALL | {"n_identities": 10, "train_per_identity": 400} | changes
    return list(dataset._plans(arguments))


def test_the_paper_groups_hold_for_ten_and_halves_for_other_numbers():
    for n_identities, expected in ((10, [0, 1, 2, 7, 8]), (3, [0, 1])):
        people = dataset.people(seed=0, n_identities=n_identities, alikeness=0.5)
        assert [number for number, person in enumerate(people) if person.style == "long"] == expected


def test_the_first_identity_may_have_more_training_images_and_the_others_keep_theirs():
    equal, more = plans(), plans(first_times=3)
    counts = {(p.identity, p.part, p.split): 0 for p in more}
    for plan in more:
        counts[plan.identity, plan.part, plan.split] += 1
    assert counts[0, "normal", "train"] == 3 * counts[1, "normal", "train"] == 3 * 400
    assert counts[0, "normal", "test"] == counts[1, "normal", "test"]
    assert [p for p in more if p.identity] == [p for p in equal if p.identity]
    before = {p.path for p in equal}
    assert [p for p in equal if not p.identity] == [p for p in more if not p.identity and p.path in before]


def test_layout_and_truth(rendered):
    root, truth = rendered
    assert list(truth.columns) == dataset.COLUMNS
    assert len(truth) == 3 * (8 + 3 + 2 + 2)
    assert truth["path"].is_unique
    assert "normal_cases/train/0002/7.jpg" in set(truth["path"])
    assert {"hard_cases/test/0000/1.jpg", "Group_cases/test/0001/0.jpg"} <= set(truth["path"])
    files = {path.relative_to(root).as_posix() for path in root.rglob("*.jpg")}
    assert files == set(truth["path"])
    with Image.open(root / truth["path"][0]) as image:
        assert image.size == (64, 64) and image.mode == "RGB"


def test_truth_is_consistent(rendered):
    truth = rendered[1]
    portraits, groups = truth[truth["kind"] == "portrait"], truth[truth["kind"] == "group"]
    others = truth[truth["kind"].isin(photograph.NONFACE)]
    assert len(portraits) + len(groups) + len(others) == len(truth)
    assert (portraits["shown"] == portraits["identity"]).all()
    assert len(groups) and (groups["shown"] != groups["identity"]).all() and (groups["shown"] != "").all()
    assert (others["shown"] == "").all() and others["yaw"].isna().all()
    assert portraits["yaw"].notna().all()
    assert (truth.loc[truth["part"] == "hard", "hard"] != "").all()
    assert (truth.loc[truth["part"] == "group", "kind"] == "group").all()
    assert not ((truth["artifact"] != "") & (truth["hard"] != "")).any()


def test_a_second_call_renders_nothing(rendered):
    root, truth = rendered
    image = root / truth["path"][0]
    before = image.stat().st_mtime_ns
    again = dataset.render_dataset(root, **SMALL, workers=1)
    assert again.equals(truth)
    assert image.stat().st_mtime_ns == before


def test_images_do_not_depend_on_workers_or_on_how_many_are_rendered(rendered, tmp_path):
    root, truth = rendered
    more = SMALL | {"train_per_identity": 9, "test_per_identity": 1}
    table = dataset.render_dataset(tmp_path / "other", **more, workers=2)
    shared = sorted(set(table["path"]) & set(truth["path"]))
    assert len(shared) == 3 * (8 + 1 + 2 + 2)
    assert all((root / path).read_bytes() == (tmp_path / "other" / path).read_bytes() for path in shared)


def test_other_arguments_render_anew(tmp_path):
    root = tmp_path / "avatars"
    few = SMALL | {"train_per_identity": 1, "test_per_identity": 1}
    dataset.render_dataset(root, **few, workers=1)
    before = (root / "normal_cases/train/0000/0.jpg").read_bytes()
    (root / "normal_cases/train/0000/9.jpg").touch()
    dataset.render_dataset(root, **(few | {"seed": 2}), workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".avatars.lock", "avatars"]
    assert (root / "normal_cases/train/0000/0.jpg").read_bytes() != before
    assert not (root / "normal_cases/train/0000/9.jpg").exists()


def test_a_folder_of_someone_else_is_left_alone(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(StudyError, match="left alone"):
        dataset.render_dataset(tmp_path, **SMALL, workers=1)
    assert (tmp_path / "photo.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_identities": 1}, "two identities"),
        ({"artifact_rate": 0.7, "hard_rate": 0.6}, "more than 1"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, change, message):
    with pytest.raises(StudyError, match=message):
        dataset.render_dataset(tmp_path / "new", **(SMALL | change), workers=1)
    assert not (tmp_path / "new").exists()


def test_rates_are_as_requested():
    normal = [plan for plan in plans(burst_rate=0.0) if plan.split == "train"]
    portraits = [plan for plan in normal if plan.kind == "portrait"]
    fraction = {
        "group": np.mean([plan.kind == "group" for plan in normal]),
        "nonface": np.mean([plan.kind in photograph.NONFACE for plan in normal]),
        "artifact": np.mean([plan.artifact != "" for plan in portraits]),
        "hard": np.mean([plan.hard != "" for plan in portraits]),
    }
    # 4,000 images: three standard errors of 0.2 are 0.019, of 0.1 are 0.014
    assert fraction == pytest.approx({"group": 0.1, "nonface": 0.1, "artifact": 0.2, "hard": 0.2}, abs=0.022)


def test_bursts_repeat_the_scene_before_at_the_requested_rate():
    normal = [plan for plan in plans() if plan.split == "train"]
    repeats = [plan for plan in normal if plan.scene != plan.index]
    assert len(repeats) / len(normal) == pytest.approx(0.3, abs=0.03)
    by_place = {(plan.identity, plan.index): plan for plan in normal}
    for plan in repeats:
        first = by_place[plan.identity, plan.scene]
        assert (plan.kind, plan.artifact, plan.hard) == (first.kind, first.artifact, first.hard)
        assert plan.scene_seed == first.seed and plan.seed != first.seed


def test_images_of_a_burst_are_near_in_perceptual_hash_and_others_are_not(rendered):
    root, truth = rendered
    portraits = truth[(truth["kind"] == "portrait") & (truth["part"] == "normal")]
    hashes = {path: imagehash.phash(Image.open(root / path)) for path in portraits["path"]}
    rows = list(portraits.itertuples())
    near, far = [], []
    for number, first in enumerate(rows):
        for second in rows[number + 1 :]:
            same = first.burst != "" and first.burst == second.burst
            (near if same else far).append(hashes[first.path] - hashes[second.path])
    assert near and max(near) <= 10
    assert min(far) > max(near)


def test_every_image_of_a_burst_carries_its_id_and_no_other(rendered):
    truth = rendered[1]
    sizes = truth[truth["burst"] != ""].groupby("burst").size()
    assert len(sizes) and sizes.min() >= 2
    assert (truth.loc[truth["part"] != "normal", "burst"] == "").all()


def test_faces_of_any_person_are_found_by_the_detector():
    torch = pytest.importorskip("torch")
    from facenet_pytorch import MTCNN

    torch.manual_seed(0)
    identities = dataset.people(seed=5, n_identities=10, alikeness=0.6)
    shots = [
        photograph.solo(person, artifact="", hard="", generator=np.random.default_rng(number))
        for number, person in enumerate(identities * 2)
    ]
    boxes, _ = MTCNN(keep_all=True).detect([photograph.take(shot, size=160) for shot in shots])
    assert sum(found is not None and len(found) == 1 for found in boxes) >= 19  # of 20
