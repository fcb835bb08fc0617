"""The rows of `trainer compare`: one page a study, with what it tells and what we had to decide."""

from trainer.compare.studies import compact, efficient, project, residual, se_resnet, transfer
from trainer.compare.studies.experiment import Row

STUDIES: dict[str, tuple[Row, ...]] = {
    page.STUDY: page.ROWS for page in (se_resnet, efficient, compact, transfer, residual, project)
}
"""Rows by study, those of the five and our own."""

EXTRA: dict[str, tuple[Row, ...]] = {
    "se-resnet-augmentation": se_resnet.EXTRA,
    "compact-grid": compact.EXTRA,
}
"""Rows that are taught only when their study is named."""

__all__ = ["EXTRA", "STUDIES", "Row"]
