"""Settings from the detector to the steady label; `device.config.schema` has the others."""

from __future__ import annotations

from dataclasses import dataclass

from device.config.loader import module_names, setting


@dataclass(frozen=True)
class DetectorConfig:
    """How faces are found."""

    kind: str = setting(
        "yunet",
        "yunet finds faces from 24 px; blazeface costs 0.7 times as much and needs larger ones; haar is OpenCV's",
        choices=module_names("vision", "detectors"),
    )
    range: str = setting(
        "near",
        "blazeface: the network for faces within about 2 m (near) or across a room (room)",
        choices=("near", "room"),
        advanced=True,
    )
    view: str = setting(
        "squares",
        "blazeface: search overlapping squares of the frame, the whole frame (half the time; faces must be larger), "
        "or also small tiles (in turn, over many frames; faces may be far away)",
        choices=("squares", "whole", "tiles"),
        advanced=True,
    )
    ignore: tuple[tuple[tuple[float, float], ...], ...] = setting(
        (), "areas left out: corners [x, y] of each, as shares of the frame"
    )
    tile_px: int = setting(
        192, "blazeface: side of the smallest tiles, pixels of the frame", ge=64, le=4096, advanced=True
    )
    min_score: float | None = setting(
        None,
        "a detection below this is not a face; null is 0.6 for yunet and 0.5 for blazeface",
        ge=0,
        le=1,
        advanced=True,
    )
    interval_s: float = setting(
        0.1,
        "shortest time between two searches of the frame while every face is followed; optical flow moves the boxes "
        "in between",
        ge=0,
        le=10,
        advanced=True,
    )
    min_face_px: int = setting(20, "smaller faces are ignored, pixels of the frame", ge=1, le=4096, advanced=True)
    max_faces: int = setting(32, "at most this many faces a frame, the largest first", ge=1, le=256, advanced=True)


@dataclass(frozen=True)
class TrackerConfig:
    """How faces are followed."""

    min_iou: float = setting(0.3, "overlap of boxes that makes them the same face", gt=0, lt=1, advanced=True)
    confirm_frames: int = setting(
        3, "a face is reported after it was detected on this many frames", ge=1, le=100, advanced=True
    )
    lost_s: float = setting(
        1.0, "a track ends when its face was not detected for this long", ge=0, le=60, advanced=True
    )


@dataclass(frozen=True)
class FaceCheckConfig:
    """The second look, by a landmark network, at what a detector takes for a face."""

    enabled: bool = setting(
        True, "a face is reported only after a second network saw one, and a tilted head is turned upright"
    )
    min_presence: float = setting(0.5, "mean score of the looks below which it is no face", ge=0, le=1, advanced=True)
    interval_s: float = setting(
        1.0, "each face is looked at again after this long, if there is time", ge=0, le=3600, advanced=True
    )


@dataclass(frozen=True)
class AttentionConfig:
    """Head pose, eyes and mouth of each face, and alerts. Definitions: docs/attention.md."""

    enabled: bool = setting(
        False, "publish attention and send alerts; needs face_check, and docs/privacy.md says who may"
    )
    interval_s: float = setting(
        0.2,
        "each face is looked at again after this long, if there is time; blinks are counted from 0.1 down",
        ge=0.02,
        le=0.5,
        advanced=True,
    )
    min_face_px: int = setting(
        60, "a smaller face has no attention, pixels of the frame", ge=24, le=4096, advanced=True
    )
    away_deg: float = setting(
        30.0, "a head turned or nodded by more than this looks away from the camera", ge=10, le=80, advanced=True
    )
    away_s: float = setting(2.0, "looking away for this long is an alert", gt=0, le=60, advanced=True)
    closed_s: float = setting(0.5, "eyes closed for this long are an alert", gt=0, le=60, advanced=True)
    yawn_openness: float = setting(
        0.5, "height over width of the mouth from which it is open as in a yawn", gt=0, le=2, advanced=True
    )
    yawn_s: float = setting(2.0, "a mouth open so far for this long is an alert", gt=0, le=60, advanced=True)
    drowsy_perclos: float = setting(
        0.15, "share of closed eyes in a minute from which a person counts as drowsy", gt=0, le=1, advanced=True
    )


@dataclass(frozen=True)
class ModelConfig:
    """The expression network."""

    path: str | None = setting(
        None, "the .tflite to run; null is the one installed with `device model install`, else the bundled one"
    )
    threads: int = setting(
        1, "threads for one inference; more is often slower for a net this small", ge=1, le=64, advanced=True
    )
    bundled: str = setting(
        "accurate",
        "which bundled one: accurate, or fast, which needs 29 % of the arithmetic and is for a Pi Zero 2 W",
        choices=("accurate", "fast"),
    )
    public_keys: tuple[str, ...] = setting(
        (),
        "public keys of minisign, the line that begins with RW; if set, a model must be signed with one of them",
        advanced=True,
    )
    allow_failed_gates: bool = setting(
        False, "run a model although its card says that it failed gates of `trainer convert`", advanced=True
    )
    max_accuracy_drop: float = setting(
        0.01,
        "largest accuracy, by their cards, that a new model may lose against the model in force",
        ge=0,
        le=1,
        advanced=True,
    )
    max_slower: float = setting(
        1.5,
        "largest time for a face, as a multiple of the previous model's",
        ge=1,
        le=1000,
        advanced=True,
    )
    test_s: float = setting(120.0, "longest duration of the test before the switch", gt=0, le=3600, advanced=True)
    trial_s: float = setting(60.0, "duration of the trial of a new model", ge=1, le=86400, advanced=True)
    trial_frames: int = setting(50, "frames that the trial must last too", ge=1, le=1_000_000, advanced=True)
    trial_starts: int = setting(
        2,
        "starts during a trial that may end in a crash or a power cut; after one more the device rolls back",
        ge=1,
        le=100,
        advanced=True,
    )


@dataclass(frozen=True)
class ReadingConfig:
    """How a face is cut out for the expression network. Measurements: docs/field.md."""

    views: bool = setting(True, "show the network mirrored, larger and smaller crops of a face in turn", advanced=True)
    weigh_blur: bool = setting(True, "a blurred face counts less than a sharp one of the same track", advanced=True)
    steady_s: float = setting(
        0.4, "time constant that steadies the box of a face at rest; 0 turns this off", ge=0, le=10, advanced=True
    )
    upright_deg: float = setting(
        25.0,
        "the crop of a head that is tilted by at least this is turned upright, degrees; 180 turns this off",
        ge=0,
        le=180,
        advanced=True,
    )


@dataclass(frozen=True)
class SmootherConfig:
    """How the predictions for a track become a steady label. Defaults: docs/smoothing.md."""

    kind: str = setting(
        "hmm",
        "hmm: forward filter; ema: exponential filter; none: no filter, only the thresholds",
        choices=module_names("vision", "filters"),
        advanced=True,
    )
    time_constant_s: float = setting(
        0.52,
        "predictions within this time count as one (hmm); time constant (ema)",
        gt=0,
        le=60,
        advanced=True,
    )
    change_weight: float = setting(
        7.4,
        "hmm: how much more a prediction counts while it differs from those before; 0: all count alike",
        ge=0,
        le=100,
        advanced=True,
    )
    stay_s: float = setting(3.0, "hmm: mean time an expression lasts", gt=0, le=600, advanced=True)
    neutral_odds: float = setting(
        3.5,
        "hmm: before a face was read, neutral is this many times likelier than any other label",
        ge=1,
        le=100,
        advanced=True,
    )
    enter: float = setting(0.5, "confidence at which a new label is taken", ge=0, le=1)
    leave: float = setting(0.25, "confidence below which the label becomes unknown; at most `enter`", ge=0, le=1)
    dwell_s: float = setting(0.0, "a label is kept at least this long", ge=0, le=60, advanced=True)
    stale_s: float = setting(
        3.0, "a face without a prediction for this long becomes unknown", gt=0, le=600, advanced=True
    )
    min_face_px: int = setting(32, "a smaller face is unknown, pixels of the frame", ge=1, le=4096, advanced=True)


@dataclass(frozen=True)
class PipelineConfig:
    """How long a frame may take. Work that does not fit is done on the next frames, in turn."""

    budget_ms: float | None = setting(
        50.0, "time for one frame; one detection and one face are always done; null sets no limit", gt=0, le=60000
    )
    hot_share: float = setting(
        0.5, "share of budget_ms that is used while the board's firmware throttles", gt=0, le=1, advanced=True
    )
