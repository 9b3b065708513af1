"""Tables that say why a value is missing."""

import pandas as pd


def with_reasons(table: pd.DataFrame, reasons: dict[str, str]) -> pd.DataFrame:
    """A table with a last column `why`: for each value that a row lacks, the reason; empty where it lacks none.

    Args:
        reasons: by column, why a value of it is missing; columns that the table does not have are passed over.

    >>> table = pd.DataFrame({"oracle": ["a", "b"], "rca": [0.5, float("nan")]})
    >>> with_reasons(table, {"rca": "it recognises no real face"})["why"].tolist()
    ['', 'no rca: it recognises no real face']
    """
    held = {name: why for name, why in reasons.items() if name in table}
    lacking = table[list(held)].isna().to_dict("records")
    return table.assign(why=["; ".join(f"no {name}: {held[name]}" for name in held if row[name]) for row in lacking])
