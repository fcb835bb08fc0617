"""Every setting of the trainer, read with the same strict loader as the device's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from device.config.loader import load, section, setting
from trainer.augment_config import AugmentConfig


@dataclass(frozen=True)
class FitConfig:
    """One training run: duration, optimizer, regularisation."""

    start: str | None = setting(
        None,
        "run folder, checkpoint or .tflite whose weights the run begins with; null draws them at random",
        advanced=True,
    )
    epochs: int = setting(40, "passes over Training", ge=1, le=100_000)
    batch_size: int = setting(128, "faces a step", ge=2, le=65536, advanced=True)
    optimizer: str = setting("sgd", "sgd (Nesterov), adam or adamw", choices=("sgd", "adam", "adamw"), advanced=True)
    lr: float = setting(0.1, "highest learning rate", gt=0, le=10)
    momentum: float = setting(0.9, "of sgd", ge=0, lt=1, advanced=True)
    weight_decay: float = setting(5e-4, "weight decay, not on biases and batch-norm", ge=0, lt=1, advanced=True)
    schedule: str = setting(
        "cosine",
        "cosine to zero, or plateau: lr falls when validation stalls",
        choices=("cosine", "plateau"),
        advanced=True,
    )
    warmup_epochs: float = setting(2.0, "lr grows from zero over this many epochs", ge=0, advanced=True)
    plateau_epochs: int = setting(4, "plateau: epochs without a better accuracy before lr falls", ge=1, advanced=True)
    plateau_factor: float = setting(0.1, "plateau: what lr is multiplied by", gt=0, lt=1, advanced=True)
    patience_epochs: int | None = setting(
        None,
        "stop after this many epochs without a better accuracy; null never",
        ge=1,
        advanced=True,
    )
    max_minutes: float | None = setting(
        None,
        "finish when training has taken so long in all, even within an epoch; null never",
        gt=0,
        advanced=True,
    )
    label_smoothing: float = setting(0.0, "share of the target spread over all classes", ge=0, lt=1, advanced=True)
    class_weights: bool = setting(False, "weigh classes by the inverse of their frequency", advanced=True)
    bias_from_frequencies: bool = setting(False, "initialise the head's bias from the class frequencies", advanced=True)
    mixup: float = setting(0.0, "alpha of mixup's Beta distribution; 0 turns it off", ge=0, le=10, advanced=True)
    mixup_share: float = setting(1.0, "share of the batches that are mixed", ge=0, le=1, advanced=True)
    votes_weight: float = setting(
        0.0, "weight of the second head, trained on FER+ votes where the data has them", ge=0, le=10, advanced=True
    )
    ema: float = setting(
        0.998,
        "decay of the weight average that is scored and kept; 0 keeps the raw weights",
        ge=0,
        lt=1,
        advanced=True,
    )
    seed: int = setting(0, "of weights, order and augmentation", ge=0, advanced=True)


@dataclass(frozen=True)
class TeacherConfig:
    """The teacher's network and its training."""

    family: str = setting(
        "se_resnet34",
        "architecture",
        choices=("se_resnet34", "resnet34", "se_resnet18", "resnet18", "vgg11", "vgg13", "vgg16", "vgg19"),
    )
    width: float = setting(0.5, "channels as a share of the original's", gt=0, le=4)
    stem_stride: int = setting(
        2, "stride of the first convolution; 2 is about four times cheaper", ge=1, le=2, advanced=True
    )
    dropout: float = setting(0.2, "dropout before the head", ge=0, lt=1, advanced=True)
    teachers: tuple[str, ...] = setting(
        (),
        "run folders, checkpoints or .tflite files of its own teachers; empty: labels only",
        advanced=True,
    )
    fit: FitConfig = section(FitConfig, epochs=17, warmup_epochs=1.0, votes_weight=0.3)


@dataclass(frozen=True)
class StudentConfig:
    """The student's network and its training."""

    channels: tuple[int, int, int] = setting((32, 64, 128), "channels of the three residual blocks", ge=8, le=1024)
    tail: int = setting(104, "hidden channels of one more residual block at 6x6; 0 leaves it out", ge=0, le=1024)
    stem_stride: int = setting(
        1, "stride of the first convolution; 2 is about four times cheaper", ge=1, le=2, advanced=True
    )
    se: bool = setting(False, "squeeze-and-excitation at the end of each residual branch", advanced=True)
    branches: str = setting(
        "none",
        "parallel branches of each 3x3 convolution in training: none, or acb (1x3, 3x1, 1x1; merged for export)",
        choices=("none", "acb"),
        advanced=True,
    )
    dropout: float = setting(0.0, "dropout before the head", ge=0, lt=1, advanced=True)
    fit: FitConfig = section(FitConfig, epochs=46, weight_decay=3e-4, warmup_epochs=1.0, votes_weight=0.3)


@dataclass(frozen=True)
class StudyConfig:
    """A network of a published study; the experiments in trainer/compare/studies set it."""

    network: str = setting("residual_cnn", "architecture, a name of trainer.models.NETWORKS", advanced=True)
    options: tuple[str, ...] = setting((), "of the architecture, each as name=value", advanced=True)
    channels: int = setting(1, "of the network's input: 1 grey, 3 the same grey three times", ge=1, le=3, advanced=True)
    side: int = setting(
        48, "of the network's input, pixels; the faces of 48 are interpolated", ge=24, le=224, advanced=True
    )
    scaling: str = setting(
        "unit", "of its input: unit 0 to 1, signed -1 to 1, imagenet by the means and deviations of ImageNet",
        choices=("unit", "signed", "imagenet"), advanced=True,
    )  # fmt: skip
    dropout: float = setting(0.0, "dropout before the head", ge=0, lt=1, advanced=True)
    weights: str | None = setting(
        None,
        "file of torchvision's ImageNet weights to begin with; null draws them at random",
        advanced=True,
    )
    taught_from: int = setting(
        0,
        "ResNet: first stage that is trained (the stem is 0); earlier ones stay frozen",
        ge=0,
        le=4,
        advanced=True,
    )
    protocol: str = setting(
        "original",
        "how the faces are split; see trainer.data.splits",
        choices=("original", "811", "7178"),
        advanced=True,
    )
    balance_to: int | None = setting(
        None,
        "faces a class at least before training begins, but no more than the largest has",
        ge=1,
        advanced=True,
    )
    balance_with: str | None = setting(
        None, "folder of more faces, by emotion, that small classes take first", advanced=True
    )
    fit: FitConfig = section(FitConfig)


@dataclass(frozen=True)
class DistillConfig:
    """Distillation: how the student learns from its teachers."""

    temperature: float = setting(3.0, "temperature of the softmax of teacher and student", gt=0, le=100)
    mirror: bool = setting(
        False, "average the teachers' outputs for each view and its mirror image; twice their cost", advanced=True
    )
    kept_views: int = setting(
        0,
        "views of each face that the teachers answer once, 7 bytes a view; epochs take them in turn; "
        "0 runs the teachers at every step",
        ge=0,
        le=10_000,
        advanced=True,
    )
    kl_weight: float = setting(
        0.4, "share of the loss that is KL to the teachers; the rest is cross-entropy", ge=0, le=1
    )
    dist_weight: float = setting(
        0.0,
        "weight of the correlation loss (DIST) beside the KL, for teachers much stronger than the student",
        ge=0,
        le=10,
        advanced=True,
    )
    degrade: float = setting(
        0.0,
        "probability that the student sees a view with a fault of a camera (noise, blur, bad light, a tilt, a mask) "
        "that the teachers do not see",
        ge=0,
        le=1,
        advanced=True,
    )
    teachers: tuple[str, ...] = setting(
        (), "run folders, checkpoints or .tflite files of the teachers; empty takes the newest teacher"
    )
    answers: tuple[str, ...] = setting(
        (), "files or folders of `trainer answers` to learn from, instead of teachers", advanced=True
    )


@dataclass(frozen=True)
class ConvertConfig:
    """Calibration, and the gates a converted model must pass."""

    calibration_faces: int = setting(2000, "training faces for the calibration of the ranges", ge=1, advanced=True)
    clip_percentile: float = setting(
        100.0, "percentile of the faces' extremes that the first ranges cover", gt=50, le=100, advanced=True
    )
    refine_faces: int = setting(
        500, "faces of those on which the ranges are narrowed for the least error", ge=1, advanced=True
    )
    qat_steps: int = setting(
        300, "steps of quantisation-aware training; 0 searches the ranges instead", ge=0, advanced=True
    )
    qat_batch_size: int = setting(64, "faces a step", ge=1, le=65536, advanced=True)
    max_accuracy_drop: float = setting(0.003, "largest loss of accuracy, int8 against float, on PublicTest", ge=0, le=1)
    min_agreement: float = setting(0.99, "least share of faces with the same label from int8 and float", ge=0, le=1)
    max_parameters: int = setting(552_455, "parameters of the student", ge=1, advanced=True)
    margin_faces: int = setting(
        300,
        "PublicTest faces, pasted into frames at two sizes, that set the crop margin",
        ge=0,
        advanced=True,
    )


@dataclass(frozen=True)
class EvaluateConfig:
    """How a network is scored."""

    frame_face_px: tuple[int, ...] = setting(
        (96, 160, 240),
        "through the detector: sides of the pasted faces, pixels of a 640x480 frame",
        ge=24,
        le=480,
        advanced=True,
    )
    tta_shift_px: int = setting(
        2, "several views: how far a face of 48 pixels is moved, pixels", ge=0, le=12, advanced=True
    )
    corruption_seed: int = setting(0, "random seed of the corruptions", ge=0, advanced=True)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the trainer."""

    data: str | None = setting(None, "fer2013.csv, an image-folder tree, a folder of contact sheets, or toy")
    labels: str = setting(
        "fer2013",
        "of teacher and student: fer2013 for the seven of the data; fer_plus for these and contempt, by the FER+ votes",
        choices=("fer2013", "fer_plus"),
        advanced=True,
    )
    runs: str = setting("runs", "folder that holds the run folders")
    without_twins: bool = setting(
        False, "leave out Training faces whose exact pixels are in a test split too", advanced=True
    )
    accelerator: str = setting(
        "auto",
        "where to train: auto is cuda where there is one, else cpu; mps is Apple's",
        choices=("auto", "cpu", "cuda", "mps"),
    )
    threads: int | None = setting(None, "CPU threads; null takes every core", ge=1, le=1024, advanced=True)
    bf16: str = setting(
        "auto",
        "bfloat16 autocast; auto: where the processor computes in it, which is slow elsewhere",
        choices=("auto", "true", "false"),
        advanced=True,
    )
    compile: bool = setting(False, "torch.compile the network; worth it on long runs", advanced=True)
    checkpoint_s: float = setting(
        0.0,
        "seconds between two checkpoints at least; for epochs of seconds, 0 writes one after each",
        ge=0,
        le=86_400,
        advanced=True,
    )
    augment: AugmentConfig = section(AugmentConfig)
    teacher: TeacherConfig = section(TeacherConfig)
    student: StudentConfig = section(StudentConfig)
    study: StudyConfig = section(StudyConfig, advanced=True)
    distill: DistillConfig = section(DistillConfig)
    convert: ConvertConfig = section(ConvertConfig)
    evaluate: EvaluateConfig = section(EvaluateConfig)


def fit_of(kind: str, config: TrainConfig) -> FitConfig:
    """How a network of a kind ("teacher", "student" or "study") is trained."""
    if kind == "teacher":
        return config.teacher.fit
    return config.study.fit if kind == "study" else config.student.fit


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> TrainConfig:
    """Read the `trainer` section of a config file; None takes the defaults.

    Raises:
        ConfigError: see `device.config.loader.load`.
    """
    return load(TrainConfig, "trainer", path, overrides)
