"""The purposes that `device.purpose` may name, one line each. docs/privacy.md explains them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Purpose:
    """One purpose and the rules for it."""

    meaning: str
    groups_only: bool = False  # many people who did not ask for it: publish summaries of groups only
    prohibited_in_eu: bool = False  # unless there is a medical or safety reason
    note: str = ""  # about the law in the EU


PURPOSES = {
    "art": Purpose("an installation, a performance"),
    "audience": Purpose("visitors of a shop, a show, a public place", groups_only=True),
    "driver": Purpose("somebody driving on their own account", note="driving for an employer is `workplace`"),
    "education": Purpose("pupils, students, a classroom, an examination", groups_only=True, prohibited_in_eu=True),
    "health": Purpose("care or therapy, with the people concerned"),
    "home": Purpose("your own household"),
    "research": Purpose("a study with consent"),
    "test": Purpose("trying it out on yourself, developing it, a demonstration"),
    "workplace": Purpose("employees, applicants, a call centre, a cab", groups_only=True, prohibited_in_eu=True),
}
GROUPS_ONLY = tuple(name for name, purpose in PURPOSES.items() if purpose.groups_only)
JURISDICTIONS = ("eu", "elsewhere")


def table() -> str:
    """The purposes as a Markdown table, for docs/privacy.md."""
    rows = ["| purpose | is | publishes | in the EU |", "|---|---|---|---|"]
    for name, purpose in PURPOSES.items():
        law = "prohibited, see below" if purpose.prohibited_in_eu else purpose.note
        what = "groups only" if purpose.groups_only else "each face"
        rows.append(f"| `{name}` | {purpose.meaning} | {what} | {law} |")
    return "\n".join(rows) + "\n"
