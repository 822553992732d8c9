"""How far the means of 3 s windows move when fewer frames are read: python tools/frame_rates.py EVERY FEWER.

EVERY and FEWER are two --output folders of `lasca extract`, with every frame and with fewer (-o blendshape.fps=10).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

LENGTH, HOP = 3.0, 0.5
STILL = 0.01
"""A blendshape whose range over the recording is smaller has no share of it."""
GROUPS = {"blendshapes": slice(52), "angles (degrees)": slice(52, 55), "place (cm)": slice(55, 58)}


def read(path: Path) -> pd.DataFrame:
    """The valid frames of a track, by their time."""
    table = pq.read_table(path).to_pandas()
    return table[table.valid].drop(columns="valid").set_index("time")


def means(track: pd.DataFrame, end: float) -> np.ndarray:
    """The mean of each feature in each window, [W, F]."""
    starts = np.arange(0, end - LENGTH + 1e-6, HOP)
    return np.array([track.loc[start : start + LENGTH - 1e-6].mean() for start in starts])


def main(every: Path, fewer: Path) -> None:
    """Print the differences of each group of features, over all recordings."""
    moved, shares = [], []
    for path in sorted(every.glob("*.parquet")):
        full, thin = read(path), read(fewer / path.name)
        end = float(full.index[-1])
        difference = np.abs(means(full, end) - means(thin, end))
        spread = np.ptp(full.to_numpy(), axis=0)
        moved.append(difference)
        shares.append(np.where(spread > STILL, difference / np.maximum(spread, STILL), np.nan))
    all_moved, all_shares = np.concatenate(moved), np.concatenate(shares)
    for label, columns in GROUPS.items():
        far, share = all_moved[:, columns], all_shares[:, columns]
        print(
            f"{label}: mean {far.mean():.4f}, at most {far.max():.4f}; of the feature's range: mean "
            f"{np.nanmean(share):.2%}, at most {np.nanmax(share):.1%} ({len(far)} windows)"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
