"""Labelling by hand, without a browser."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kpop_rca.errors import StudyError
from kpop_rca.faces import flags, hand_labels, labelling
from kpop_rca.study import params


@pytest.fixture
def session(tmp_path: Path) -> labelling.LabellingSession:
    """Four images: a.png calm, b.png unreadable, c.png flagged with a face, d.png calm."""
    flagged = pd.DataFrame({"path": ["a.png", "b.png", "c.png", "d.png"], "boxes": [[], [], [[100, 50, 300, 250]], []]})
    flagged = flagged.assign(mismatch_score=np.nan, other_score=np.nan, likeliest_other="", part="normal")
    for name in flags.FLAGS:
        flagged[f"flag_{name}"] = False
    flagged.loc[1, "flag_unreadable"] = flagged.loc[2, "flag_several_faces"] = True
    for name in "acd":
        Image.new("RGB", (960, 600), "navy").save(tmp_path / f"{name}.png")
    return labelling.LabellingSession(flagged, tmp_path, tmp_path / "labels" / "hand.csv")


def test_flagged_images_come_first_and_unreadable_ones_never(session: labelling.LabellingSession) -> None:
    assert session.flagged["path"].tolist() == ["c.png", "a.png", "d.png"]
    assert session.describe() == "1 of 3 · c.png · several_faces · not labelled"


def test_the_least_sure_comes_first_and_is_shown_with_the_likeliest_other(session: labelling.LabellingSession) -> None:
    """d. is doubted most, a. less; c. carries a flag, and its own name is the likeliest."""
    flagged = session.flagged.set_index("path")
    flagged.loc[["d.png", "a.png", "c.png"], "mismatch_score"] = [0.1, 0.3, 0.6]
    flagged.loc[["d.png", "a.png", "c.png"], "other_score"] = [0.8, 0.5, 0.2]
    flagged["likeliest_other"] = "Bo"
    again = labelling.LabellingSession(flagged.reset_index(), session.root, session.csv_path)
    assert again.flagged["path"].tolist() == ["d.png", "a.png", "c.png"]
    assert again.describe() == "1 of 3 · d.png · no flag · Bo 0.80, own 0.10 · not labelled"
    again.move(2)
    assert again.describe() == "3 of 3 · c.png · several_faces · not labelled"


def test_the_page_writes_where_the_audit_reads(session: labelling.LabellingSession, output: Path) -> None:
    """Without a parameter: one file for a study, its seeds and its sweep, read as soon as it is there."""
    files = {params.hand_labels_file({"study": name, "hand_labels": ""}) for name in ("mine", "mine-seed3")}
    assert files == {output / "data" / "hand_labels" / "mine.csv"}
    (place,) = files
    labelling.LabellingPage(session.flagged, session.root, place).session.label("wrong_person")
    read = hand_labels.join_hand_labels(session.flagged, place, root=session.root)
    assert read.set_index("path")["hand_label"].to_dict() == {"c.png": "wrong_person", "a.png": "", "d.png": ""}
    named = params.hand_labels_file({"study": "mine", "hand_labels": "/else/where.csv"})
    assert named == Path("/else/where.csv")


def test_labels_are_saved_at_once_and_work_is_resumed(session: labelling.LabellingSession) -> None:
    session.label("contextual_artifact")
    session.move(1)
    session.label("fine")
    assert session.csv_path.read_text() == "path,label\nc.png,contextual_artifact\nd.png,fine\n"
    again = labelling.LabellingSession(session.flagged, session.root, session.csv_path)
    assert again.path == "a.png"
    again.move(-1)
    assert again.describe().endswith("c.png · several_faces · contextual_artifact")


def test_moving_stays_within_the_table_and_clear_takes_back(session: labelling.LabellingSession) -> None:
    session.move(-5)
    assert session.path == "c.png"
    session.label("fine")
    session.move(-1)
    session.clear()
    assert session.csv_path.read_text() == "path,label\n"
    session.move(9)
    session.label("fine")
    assert session.path == "d.png"


def test_labels_of_other_images_are_kept(session: labelling.LabellingSession) -> None:
    session.csv_path.parent.mkdir()
    session.csv_path.write_text("path,label\nelsewhere.png,fine\n")
    again = labelling.LabellingSession(session.flagged, session.root, session.csv_path)
    again.label("hard_case")
    assert session.csv_path.read_text() == "path,label\nc.png,hard_case\nelsewhere.png,fine\n"


def test_image_is_reduced_and_framed(session: labelling.LabellingSession) -> None:
    shown = Image.open(io.BytesIO(session.png()))
    assert shown.size == (480, 300)
    assert shown.getpixel((50, 60)) == (255, 255, 0)  # the box's left side, halved
    assert shown.getpixel((100, 60)) == (0, 0, 128)
    (session.root / "c.png").unlink()
    assert Image.open(io.BytesIO(session.png())).format == "PNG"


def test_nothing_to_label_is_refused(session: labelling.LabellingSession) -> None:
    with pytest.raises(StudyError, match="no readable image"):
        labelling.LabellingSession(session.flagged.iloc[:0], session.root, session.csv_path)


def test_buttons_label_and_show_the_next_image(session: labelling.LabellingSession) -> None:
    page = labelling.LabellingPage(session.flagged, session.root, session.csv_path)
    caption, image, labels, steps = page.children
    assert [b.description for b in labels.children] == [name.replace("_", " ") for name in hand_labels.HAND_LABELS]
    before = image.value
    labels.children[1].click()
    assert page.session.labels == {"c.png": "hard_case"}
    assert caption.value.startswith("2 of 3 · a.png") and image.value != before
    steps.children[0].click()
    assert caption.value.endswith("hard_case")
