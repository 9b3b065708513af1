import numpy as np

from kpop_rca.human_ratings import simulated


def test_targets_on_a_tenth_of_the_simulations():
    """Coverage of 20 simulations of 200 images has a standard error of about .005."""
    trial = simulated.trial_table(images=200, raters=16, simulations=20, seed=0)
    table = trial.set_index("panel")
    assert table["coverage"].between(0.93, 0.97).all()
    assert (table["good_rejected_inconsistent"] <= 0.02).all()
    assert (table["spammers_found_inconsistent"].dropna() >= 0.85).all()
    assert table.loc["4 spammers", "spammers_found_bt500"] >= 0.8
    assert table.loc["4 spammers, 30 % missing", "spammers_found_bt500"] >= 0.65
    assert table.loc["4 spammers", "plcc_p910"] >= 0.98 > table.loc["4 spammers", "plcc_mean"]
    told = simulated.targets(trial).set_index("target")
    both = told.loc[["good raters rejected, highest", "good raters rejected by BT.500, highest"]]
    assert both["value"].tolist() == [table[f"good_rejected_{rule}"].max() for rule in ("inconsistent", "bt500")]
    assert both["met"].tolist() == (both["value"] <= 0.02).tolist()


def test_a_simulation_is_its_seed():
    how = {"images": 30, "raters": 8, "simulations": 3}
    one, again, other = (simulated.trial_table(seed=seed, **how) for seed in (0, 0, 1))
    assert one.equals(again) and not one.equals(other)


def test_spammers_and_missing_ratings_are_as_asked():
    rng = np.random.default_rng(0)
    panel = simulated.Panel(raters=6, spammers=2, bias=0, inconsistency=0.1, lapses=0, missing=0.25)
    quality = simulated.qualities((500,), generator=rng)
    rated = simulated.rate(quality, panel, generator=rng)
    assert abs(np.isnan(rated).mean() - 0.25) < 0.03
    error = np.sqrt(np.nanmean((rated - quality[:, None]) ** 2, axis=0))
    assert (error[:4] < 0.2).all() and (error[4:] > 1).all()
