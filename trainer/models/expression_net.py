"""Every network: a trunk that turns faces into features, and heads for the logits."""

from __future__ import annotations

from torch import Tensor, nn


class ExpressionNet(nn.Module):
    """Faces to emotion logits.

    Args:
        trunk: module with `out_features`; (N, 1, 48, 48) float in [0, 1] -> (N, out_features).
        classes: number of emotions.
        votes: number of FER+ vote columns for the second head; 0 builds none.
        dropout: probability before the heads.
    """

    def __init__(self, trunk: nn.Module, classes: int, votes: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        features = int(trunk.out_features)  # type: ignore[arg-type]
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)
        self.votes = nn.Linear(features, votes) if votes else None

    def forward(self, faces: Tensor) -> Tensor:
        """Logits (N, classes) of faces (N, 1, 48, 48)."""
        return self.head(self.dropout(self.trunk(faces)))  # type: ignore[no-any-return]

    def heads(self, faces: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (N, classes) and, where there is a second head, vote logits (N, votes)."""
        features = self.dropout(self.trunk(faces))
        return self.head(features), self.votes(features) if self.votes is not None else None
