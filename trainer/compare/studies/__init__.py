"""The rows of `trainer compare`: one page a study, with what it tells and what we had to decide."""

from trainer.compare.studies import compact, efficient, project, residual, se_resnet, transfer
from trainer.compare.studies.experiment import Experiment

STUDIES: dict[str, tuple[Experiment, ...]] = {
    page.STUDY: page.ROWS for page in (se_resnet, efficient, compact, transfer, residual, project)
}
"""Rows by study, those of the five and our own."""

EXTRA: dict[str, tuple[Experiment, ...]] = {
    "se-resnet-augmentation": se_resnet.EXTRA,
    "compact-grid": compact.EXTRA,
}
"""Rows that are taught only when their study is named."""

__all__ = ["EXTRA", "STUDIES", "Experiment"]
