"""Every setting of the trainer, once; read with the same strict loader as the device's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from device.config.loader import load, section, setting


def augmentation(default: float, doc: str, *, off: float, **rules: Any) -> Any:
    """Declare one setting of `AugmentConfig`.

    Args:
        default: its default.
        doc: one line of documentation.
        off: the value with which it changes no image, or has no effect as long as the others are off.
        rules: further arguments of `setting`.
    """
    metadata = setting(default, doc, **rules).metadata
    return field(default=default, metadata={**metadata, "off": off})


@dataclass(frozen=True)
class FitConfig:
    """One training run: how long, how fast, with what care."""

    start: str | None = setting(
        None, "run folder, checkpoint or .tflite whose weights the run begins with; null draws them at random"
    )
    epochs: int = setting(40, "passes over Training", ge=1, le=100_000)
    batch_size: int = setting(128, "faces a step", ge=2, le=65536)
    optimizer: str = setting("sgd", "sgd (Nesterov), adam or adamw", choices=("sgd", "adam", "adamw"))
    lr: float = setting(0.1, "highest learning rate", gt=0, le=10)
    momentum: float = setting(0.9, "of sgd", ge=0, lt=1)
    weight_decay: float = setting(5e-4, "on weights, never on biases and batch-norm", ge=0, lt=1)
    schedule: str = setting(
        "cosine", "cosine to zero, or plateau: lr falls when validation stalls", choices=("cosine", "plateau")
    )
    warmup_epochs: float = setting(2.0, "lr grows from zero over this many epochs", ge=0)
    plateau_epochs: int = setting(4, "plateau: epochs without a better accuracy before lr falls", ge=1)
    plateau_factor: float = setting(0.1, "plateau: what lr is multiplied by", gt=0, lt=1)
    patience_epochs: int | None = setting(
        None, "stop after this many epochs without a better accuracy; null never", ge=1
    )
    label_smoothing: float = setting(0.0, "share of the target spread over all classes", ge=0, lt=1)
    class_weights: bool = setting(False, "weigh classes by the inverse of their frequency")
    bias_from_frequencies: bool = setting(False, "the head begins by saying how frequent each class is")
    mixup: float = setting(0.0, "alpha of mixup's Beta distribution; 0 turns it off", ge=0, le=10)
    mixup_share: float = setting(1.0, "share of the batches that are mixed", ge=0, le=1)
    votes_weight: float = setting(
        0.0, "weight of the second head, taught on FER+ votes where the data has them", ge=0, le=10
    )
    ema: float = setting(
        0.998, "decay of the weight average that is scored and kept; 0 keeps the raw weights", ge=0, lt=1
    )
    seed: int = setting(0, "of weights, order and augmentation", ge=0)


@dataclass(frozen=True)
class AugmentConfig:
    """How training images are augmented. Each view of a face is drawn anew."""

    flip: float = augmentation(0.5, "probability of mirroring", off=0, ge=0, le=1)
    rotate_deg: float = augmentation(12.0, "largest rotation either way, degrees", off=0, ge=0, le=180)
    scale: float = augmentation(0.15, "largest change of size either way, as a share", off=0, ge=0, lt=1)
    crop: float = augmentation(
        0.0, "probability of cutting out a square and resizing it to the whole", off=0, ge=0, le=1
    )
    crop_area: float = augmentation(0.64, "smallest such square, as a share of the face", off=0.64, gt=0, le=1)
    shift: float = augmentation(0.1, "largest shift either way, as a share of the side", off=0, ge=0, le=1)
    brightness: float = augmentation(0.2, "largest offset either way, of the range 0 to 1", off=0, ge=0, le=1)
    contrast: float = augmentation(0.3, "largest change of contrast either way, as a share", off=0, ge=0, lt=1)
    noise: float = augmentation(
        0.0,
        "largest standard deviation of sensor noise, of the range 0 to 1; each face draws its own",
        off=0,
        ge=0,
        le=1,
    )
    erase: float = augmentation(0.5, "probability of erasing a rectangle", off=0, ge=0, le=1)
    erase_area: float = augmentation(0.2, "largest erased share of the face", off=0.2, gt=0, le=1)

    @classmethod
    def only(cls, **used: float) -> Self:
        """The given augmentations, and all others off, whatever their defaults are.

        Raises:
            TypeError: a field is not declared with `augmentation`, or there is no such field.
        """
        undeclared = [f.name for f in fields(cls) if "off" not in f.metadata]
        if undeclared:
            raise TypeError(f"{cls.__name__}.{undeclared[0]} must be declared with `augmentation(..., off=...)`.")
        return cls(**{f.name: f.metadata["off"] for f in fields(cls)} | used)


@dataclass(frozen=True)
class TeacherConfig:
    """The teacher's network and how it is taught."""

    family: str = setting(
        "se_resnet34",
        "architecture",
        choices=("se_resnet34", "resnet34", "se_resnet18", "resnet18", "vgg11", "vgg13", "vgg16", "vgg19"),
    )
    width: float = setting(1.0, "channels as a share of the original's", gt=0, le=4)
    stem_stride: int = setting(1, "stride of the first convolution; 2 is about four times cheaper", ge=1, le=2)
    dropout: float = setting(0.2, "before the head", ge=0, lt=1)
    teachers: tuple[str, ...] = setting(
        (), "run folders, checkpoints or .tflite files it learns from itself; empty: from the labels alone"
    )
    fit: FitConfig = section(FitConfig)


@dataclass(frozen=True)
class StudentConfig:
    """The student's network and how it is taught."""

    channels: tuple[int, int, int] = setting((32, 64, 128), "of the three residual blocks", ge=8, le=1024)
    tail: int = setting(96, "hidden channels of one more residual block at 6x6; 0 leaves it out", ge=0, le=1024)
    stem_stride: int = setting(1, "stride of the first convolution; 2 is about four times cheaper", ge=1, le=2)
    se: bool = setting(False, "squeeze-and-excitation at the end of each residual branch")
    branches: str = setting(
        "none",
        "what a 3x3 convolution learns through beside itself: none, or acb (1x3, 3x1, 1x1; one kernel once exported)",
        choices=("none", "acb"),
    )
    dropout: float = setting(0.1, "before the head", ge=0, lt=1)
    fit: FitConfig = section(FitConfig)


@dataclass(frozen=True)
class StudyConfig:
    """A network of a published study, its data and how it is taught; the rows in trainer/compare/studies set it."""

    network: str = setting("residual_cnn", "architecture, a name of trainer.models.NETWORKS")
    options: tuple[str, ...] = setting((), "of the architecture, each as name=value")
    channels: int = setting(1, "of the network's input: 1 grey, 3 the same grey three times", ge=1, le=3)
    side: int = setting(48, "of the network's input, pixels; the faces of 48 are interpolated", ge=24, le=224)
    scaling: str = setting(
        "unit", "of its input: unit 0 to 1, signed -1 to 1, imagenet by the means and deviations of ImageNet",
        choices=("unit", "signed", "imagenet"),
    )  # fmt: skip
    dropout: float = setting(0.0, "before the head", ge=0, lt=1)
    weights: str | None = setting(
        None, "file of torchvision's ImageNet weights to begin with; null draws them at random"
    )
    taught_from: int = setting(
        0, "ResNet: first stage that is taught, the stem being 0; those before it stay", ge=0, le=4
    )
    protocol: str = setting(
        "original", "how the faces are split; see trainer.data.splits", choices=("original", "811", "7178")
    )
    balance_to: int | None = setting(
        None, "faces a class before training begins, but no more than the largest has", ge=1
    )
    balance_with: str | None = setting(None, "folder of more faces, by emotion, that small classes take first")
    fit: FitConfig = section(FitConfig)


@dataclass(frozen=True)
class DistillConfig:
    """What the student learns from its teachers."""

    temperature: float = setting(3.0, "softens teacher and student alike", gt=0, le=100)
    mirror: bool = setting(False, "teachers see each view and its mirror image, and say the mean; twice their cost")
    kept_views: int = setting(
        0,
        "views of each face that the teachers answer once and for all, kept in a file of 2.4 kB a view; epochs take "
        "them in turn; 0 asks the teachers at every step",
        ge=0,
        le=10_000,
    )
    kl_weight: float = setting(
        0.9, "share of the loss that is KL to the teachers; the rest is cross-entropy", ge=0, le=1
    )
    dist_weight: float = setting(
        0.0,
        "weight of the correlation loss (DIST) beside the KL, for teachers much stronger than the student",
        ge=0,
        le=10,
    )
    teachers: tuple[str, ...] = setting(
        (), "run folders, checkpoints or .tflite files of the teachers; empty takes the newest teacher"
    )


@dataclass(frozen=True)
class ConvertConfig:
    """Calibration, and the gates a converted model must pass."""

    calibration_faces: int = setting(2000, "training faces whose activations set the ranges", ge=1)
    clip_percentile: float = setting(100.0, "of the faces, whose extremes the ranges hold at first", gt=50, le=100)
    refine_faces: int = setting(500, "of those, on which the ranges are pulled in for the least error", ge=1)
    qat_steps: int = setting(300, "steps that teach the network its own rounding; 0 searches the ranges instead", ge=0)
    qat_batch_size: int = setting(64, "faces a step", ge=1, le=65536)
    max_accuracy_drop: float = setting(0.003, "int8 against float, on PublicTest", ge=0, le=1)
    min_agreement: float = setting(0.99, "share of faces on which int8 and float name the same emotion", ge=0, le=1)
    max_parameters: int = setting(552_455, "of the student", ge=1)
    margin_faces: int = setting(
        300, "PublicTest faces, pasted into frames at two sizes, that set the crop margin", ge=0
    )


@dataclass(frozen=True)
class EvaluateConfig:
    """How a network is scored."""

    frame_face_px: tuple[int, ...] = setting(
        (96, 160, 240), "through the detector: sides of the pasted faces, pixels of a 640x480 frame", ge=24, le=480
    )
    tta_shift_px: int = setting(2, "several views: how far a face of 48 pixels is moved, pixels", ge=0, le=12)
    corruption_seed: int = setting(0, "of everything that is drawn to spoil faces", ge=0)


@dataclass(frozen=True)
class TrainConfig:
    """Everything the trainer can be told."""

    data: str | None = setting(None, "fer2013.csv, an image-folder tree, a folder of contact sheets, or toy")
    runs: str = setting("runs", "folder that holds the run folders")
    without_twins: bool = setting(False, "leave out Training faces whose exact pixels stand in a test split")
    accelerator: str = setting("auto", "where to train", choices=("auto", "cpu", "cuda"))
    threads: int | None = setting(None, "CPU threads; null takes every core", ge=1, le=1024)
    bf16: bool = setting(True, "bfloat16 autocast")
    compile: bool = setting(False, "torch.compile the network; worth it on long runs")
    checkpoint_s: float = setting(
        0.0, "seconds between two checkpoints at least; for epochs of seconds, 0 writes one after each", ge=0, le=86_400
    )
    augment: AugmentConfig = section(AugmentConfig)
    teacher: TeacherConfig = section(TeacherConfig)
    student: StudentConfig = section(StudentConfig)
    study: StudyConfig = section(StudyConfig, shown=False)
    distill: DistillConfig = section(DistillConfig)
    convert: ConvertConfig = section(ConvertConfig)
    evaluate: EvaluateConfig = section(EvaluateConfig)


def fit_of(kind: str, config: TrainConfig) -> FitConfig:
    """How a network of a kind ("teacher", "student" or "study") is taught."""
    if kind == "teacher":
        return config.teacher.fit
    return config.study.fit if kind == "study" else config.student.fit


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> TrainConfig:
    """Read the `trainer` section of a config file; None takes the defaults.

    Raises:
        ConfigError: see `device.config.loader.load`.
    """
    return load(TrainConfig, "trainer", path, overrides)
