"""`device replay --truth`: photos and clips through the pipeline, some with scripted faces."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.cli import main
from device.config.schema import CameraConfig, PipelineConfig, SmootherConfig, TrackerConfig
from device.inference.box import Box
from device.inference.classifier import Classifier
from device.replay.photos import Photo, PhotoScore, open_photo, play_photo
from device.replay.truth import PhotoTruth, TrueFace
from device.vision.pipeline import Pipeline
from device.vision.smoother import make_smoother
from device.vision.time_budget import Budget
from device.vision.tracker import Tracker
from tests.support.clips import portrait, scene, write_clip
from tests.support.files import LONG_NAME
from tests.support.scripted_detector import ScriptedDetector
from tests.support.tiny_models import LABELS, tiny_face

FIELD = Path(__file__).parents[4] / "shared" / "data" / "field"
FACE = Box(100, 100, 96, 96)
EASY = SmootherConfig(kind="none", enter=0.2, leave=0.1, dwell_s=0.0)
SHORT = CameraConfig(fps=10.0, picture_s=1.0)
NO_BUDGET = ["--set", "device.pipeline.budget_ms=null"]


# ---- scripted faces: every figure is known


def played(model: Path, frames: Iterable[list[Box]], whole: list[Box], truth: PhotoTruth) -> PhotoScore:
    """Ten frames; the picture shows the tiny network's face of label 3 (happy) everywhere."""
    classifier = Classifier(model)
    picture = np.full((300, 400, 3), 0, np.uint8)
    picture[80:220, 80:220] = cv2.resize(tiny_face(3), (140, 140))[..., np.newaxis]
    pipeline = Pipeline(
        ScriptedDetector(frames),
        Tracker(TrackerConfig(confirm_frames=3, lost_s=0.2)),
        classifier,
        make_smoother(EASY, classifier.labels),
        Budget(PipelineConfig(budget_ms=None)),
    )
    return play_photo(Photo(picture, truth), ScriptedDetector([whole]), pipeline, SHORT)


def test_a_face_is_found_followed_and_heard(model: Path) -> None:
    score = played(model, [[FACE]] * 10, [FACE], PhotoTruth("1.jpg", (TrueFace(FACE, "happy"),)))
    (face,) = score.faces
    assert (face.found, face.tracks, face.changes, face.side_px) == (True, 1, 0, 96.0)
    assert face.heard in LABELS and face.first_label_s == pytest.approx(0.2)  # on the third frame
    assert face.followed_s == pytest.approx(0.8)
    assert (score.false_alarms, score.false_tracks, score.events) == (0, 0, 1)


def test_a_face_that_is_lost_and_comes_again_has_two_tracks(model: Path) -> None:
    frames = [[FACE]] * 3 + [[]] * 3 + [[FACE]] * 4
    (face,) = played(model, frames, [], PhotoTruth("1.jpg", (TrueFace(FACE, None),))).faces
    assert (face.found, face.tracks) == (False, 2)


def test_a_face_that_is_lost_is_unknown_at_the_end(model: Path) -> None:
    (face,) = played(model, [[FACE]] * 3 + [[]] * 7, [FACE], PhotoTruth("1.jpg", (TrueFace(FACE, "happy"),))).faces
    assert (face.tracks, face.heard) == (1, "unknown") and face.first_label_s is not None


def test_tracks_elsewhere_are_false_unless_the_place_is_ignored(model: Path) -> None:
    other, ignored = Box(250, 20, 60, 60), Box(300, 200, 60, 60)
    truth = PhotoTruth("1.jpg", (TrueFace(FACE, "happy"),), (ignored,))
    score = played(model, [[other, ignored]] * 10, [other, ignored], truth)
    assert (score.false_alarms, score.false_tracks, score.events) == (1, 1, 2)
    assert (score.faces[0].found, score.faces[0].tracks, score.faces[0].heard) == (False, 0, None)
    assert 0 <= score.false_labels <= 1


def test_a_face_seen_too_seldom_is_found_but_never_followed(model: Path) -> None:
    truth = PhotoTruth("1.jpg", (TrueFace(FACE, "happy"),))
    score = played(model, [[FACE]] * 2 + [[]] * 8, [FACE], truth)
    assert (score.faces[0].found, score.faces[0].heard, score.events) == (True, None, 0)


@pytest.mark.parametrize(("width", "height", "size"), [(1280, 480, (640, 240)), (160, 240, (320, 480))])
def test_a_photo_is_fitted_into_the_frame(tmp_path: Path, width: int, height: int, size: tuple[int, int]) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((height, width, 3), np.uint8))
    truth = PhotoTruth("1.png", (TrueFace(Box(0, 0, width, height / 2), None),))
    photo = open_photo(tmp_path, truth, CameraConfig())
    assert photo.image.shape == (size[1], size[0], 3)
    assert photo.truth.faces[0].box == Box(0, 0, size[0], size[1] / 2)


# ---- the command on the bundled portrait


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A portrait, a picture without a face, a clip, and their truth, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    cv2.imwrite("photos/photo-1.jpg", portrait())
    cv2.imwrite("photos/photo-2.jpg", scene([]))
    write_clip(tmp_path / "photos" / "clip.mp4", [scene([(100, 100, 250)])] * 15 + [scene([])] * 20)
    (tmp_path / "truth.csv").write_text(
        "image,x,y,width,height,kind,emotion\n"
        "photo-1.jpg,170,60,112,120,face,happy\nphoto-1.jpg,1,400,30,30,face,unclear\nphoto-2.jpg,0,0,0,0,none,\n"
    )
    (tmp_path / "clips.csv").write_text("clip,tracks,emotion\nclip.mp4,1,\n")
    (tmp_path / "long.csv").write_text(f"image,x,y,width,height,kind,emotion\n{LONG_NAME},0,0,0,0,none,\n")
    (tmp_path / "long-clip.csv").write_text(f"clip,tracks,emotion\n{LONG_NAME},1,\n")
    return tmp_path


def test_photos_are_scored(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["replay", "--truth", "truth.csv", "photos", *NO_BUDGET, "--set", "device.camera.picture_s=1"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["which"], report["width"], report["picture_s"], report["budget_ms"]) == ("all", 640, 1.0, None)
    assert report["detection"]["bands"]["all"] == {"faces": 2, "found": 1}
    assert report["detection"]["false_alarms"] == 0
    chain = report["chain"]
    assert (chain["faces"], chain["followed"], chain["clear"], chain["empty_photos"]) == (2, 1, 1, 1)
    assert (chain["tracks_per_person"], chain["never_followed"], chain["events_on_empty"]) == (1.0, 0.0, 0)
    assert [len(photo["faces"]) for photo in report["photos"]] == [2, 0]
    assert report["mean_ms"]["total"] > 0
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "1 of 2" in text and "photos without a face: 0 events, 1 photos" in text


def test_only_the_detector_is_scored(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--truth", "truth.csv", "photos", "--photos", "odd", "--detection-only", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["chain"], report["mean_ms"], report["detection"]["photos"]) == (None, {}, 1)
    assert report["detection"]["bands"]["all"] == {"faces": 2, "found": 1}


def test_clips_are_scored(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--truth", "clips.csv", "photos", "--json", *NO_BUDGET]) == 0
    (clip,) = json.loads(capsys.readouterr().out)["clips"]
    assert (clip["clip"], clip["tracks"], clip["as_expected"]) == ("clip.mp4", 1, True)
    assert clip["events"] >= 2 and sum(clip["shares"].values()) == pytest.approx(1)
    assert main(["replay", "--truth", "clips.csv", "photos"]) == 0
    assert capsys.readouterr().out.startswith("clip.mp4: as expected; ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--truth", "truth.csv"], "photo-1.jpg: there is no such photo or clip; name their folder after the options."),
        (["--truth", "none.csv"], "none.csv: the file cannot be read: No such file or directory."),
        (["--truth", "clips.csv"], "clip.mp4: there is no such photo or clip; name their folder after the options."),
        (["--truth", "long.csv"], "x.png: it cannot be read: File name too long."),
        (["--truth", "long-clip.csv"], "x.png: it cannot be read: File name too long."),
        (["--labels", "truth.csv", "photos"], "FOLDER belongs to --truth"),
    ],
)
def test_an_error_is_one_sentence(
    photos: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["replay", *arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.out == "" and "Traceback" not in captured.err


@pytest.mark.parametrize("arguments", [["--truth", "truth.csv"], ["--truth", "clips.csv"], ["--labels", "labels.csv"]])
def test_the_limit_of_pixels_is_that_of_the_settings(
    photos: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    Path("labels.csv").write_text("clip,start_s,end_s,emotion\nphotos/clip.mp4,0,1,happy\n")
    folder = ["photos"] if "--truth" in arguments else []
    assert main(["replay", *arguments, *folder, "--set", "device.camera.max_pixels=4096"]) == 1
    assert "pixels; at most 4,096 are decoded (device.camera.max_pixels)" in capsys.readouterr().err


def test_a_clip_is_played_once_and_turned_as_run_does(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    camera = ["--set", "device.camera.loop=true", "--set", "device.camera.rotate=180"]
    assert main(["replay", "--truth", "clips.csv", "photos", "--json", *NO_BUDGET, *camera]) == 0
    (clip,) = json.loads(capsys.readouterr().out)["clips"]
    assert (clip["frames"], clip["tracks"]) == (35, 0)  # no face: it stands on its head


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("photo-2.jpg,1,2,30,40,face,joyful", "truth.csv, line 3: the expression is 'joyful', which the model does"),
        ("photo-3.jpg,1,2,30,40,face,happy", "photos/photo-3.jpg: there is no such photo or clip"),
        ("clip-2.mp4,1,joyful", "truth.csv, line 3: the expression is 'joyful', which the model does"),
        ("absent.mp4,1,", "photos/absent.mp4: there is no such photo or clip"),
    ],
)
def test_a_mistake_in_a_later_line_is_found_before_anything_is_played(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, sentence: str
) -> None:
    clips = line.count(",") == 2
    head = "clip,tracks,emotion" if clips else "image,x,y,width,height,kind,emotion"
    good = "clip.mp4,1," if clips else "photo-1.jpg,170,60,112,120,face,happy"
    for name in ("play_clip", "open_photo"):
        monkeypatch.setattr(f"device.replay.chain.{name}", lambda *_: pytest.fail("something was played"))
    (photos / "truth.csv").write_text(f"{head}\n{good}\n{line}\n")
    assert main(["replay", "--truth", "truth.csv", "photos"]) in (1, 2)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("box", ["512,0,30,40", "0,512,30,40"])
def test_a_box_outside_its_photo_is_an_error(photos: Path, capsys: pytest.CaptureFixture[str], box: str) -> None:
    for kind in ("face", "ignore"):
        (photos / "truth.csv").write_text(f"image,x,y,width,height,kind,emotion\nphoto-1.jpg,{box},{kind},\n")
        assert main(["replay", "--truth", "truth.csv", "photos", "--detection-only"]) == 2
        sentence = (
            "truth.csv, line 2: this box lies outside photos/photo-1.jpg, which has 512 x 512 pixels; correct it."
        )
        assert sentence in capsys.readouterr().err


# ---- real photos


@pytest.mark.skipif(not FIELD.is_dir(), reason="there is no ../shared/data/field beside the repository")
def test_real_photos_are_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three with a single large face, and the dog, which no network may call a happy one."""
    monkeypatch.chdir(tmp_path)
    head, *lines = (FIELD / "truth.csv").read_text().splitlines()
    some = [line for line in lines if line[:9] in ("photo-002", "photo-003", "photo-017")]
    (tmp_path / "truth.csv").write_text("\n".join([head, *some]) + "\n")
    command = ["replay", "--truth", "truth.csv", str(FIELD / "photos"), "--json", *NO_BUDGET]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["detection"]["bands"]["all"] == {"faces": 2, "found": 2}
    assert (report["chain"]["clear"], report["chain"]["right"], report["chain"]["empty_photos"]) == (2, 1.0, 1)
