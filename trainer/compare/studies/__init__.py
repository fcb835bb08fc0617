"""The rows of `trainer compare`: one module a study, with what it reports and what we decided."""

from collections.abc import Iterable

from trainer.compare.studies import compact, efficient, project, residual, se_resnet, transfer
from trainer.compare.studies.experiment import Experiment


def _by_study(rows: Iterable[Experiment]) -> dict[str, tuple[Experiment, ...]]:
    studies: dict[str, tuple[Experiment, ...]] = {}
    for row in rows:
        studies[row.study] = (*studies.get(row.study, ()), row)
    return studies


STUDIES = _by_study(row for page in (se_resnet, efficient, compact, transfer, residual, project) for row in page.ROWS)
"""Rows by study: those of the five studies and our own."""

EXTRA = _by_study(row for page in (se_resnet, compact) for row in page.EXTRA)
"""Rows that run only when their study is named."""

__all__ = ["EXTRA", "STUDIES", "Experiment"]
