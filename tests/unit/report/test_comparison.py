from __future__ import annotations

import math

import pytest

from monai_sr.report.comparison import Comparison
from monai_sr.report.comparison_tables import overview, signed, task_table
from monai_sr.report.system_facts import SystemFacts


def row(case: str, method: str, psnr: float | None, **more: object) -> dict[str, object]:
    return {"case": case, "task": "t", "method": method, "psnr": psnr, **more}


LEVELS = {"cubic": (30.0, 31.0), "ibp1": (31.0, 31.2), "ibp3": (30.5, 31.9), "ours": (32.0, 32.0)}
ROWS = [row(case, method, LEVELS[method][k], subject=case) for method in LEVELS for k, case in enumerate("ab")]


def test_the_gain_is_over_the_best_back_projection_of_each_volume():
    compared = Comparison(ROWS)
    gain = compared.gain("ours", ROWS, "best")
    assert gain is not None
    assert gain.values == pytest.approx((1.0, 0.1))
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low <= gain.mean <= gain.high
    over_cubic = compared.gain("ours", ROWS, "cubic")
    assert over_cubic is not None
    assert over_cubic.mean == pytest.approx(1.5)
    assert compared.gain("cubic", ROWS, "cubic") is None


def test_volumes_of_one_subject_give_no_interval():
    rows = [{**r, "subject": "one"} for r in ROWS]
    gain = Comparison(rows).gain("ours", rows, "cubic")
    assert gain is not None
    assert (gain.low, gain.high) == (None, None)


def test_a_volume_without_the_reference_has_no_gain():
    rows = [r for r in ROWS if (r["case"], r["method"]) != ("a", "cubic")]
    rows.append(row("a", "cubic", math.nan))
    gain = Comparison(rows).gain("ours", rows, "cubic")
    assert gain is not None
    assert gain.values == pytest.approx((1.0,))


def test_the_best_learned_method_leads_even_where_a_plain_one_is_better():
    systems = [SystemFacts("ours", "Ours", "learned"), SystemFacts("ibp1", "IBP", "train-free")]
    assert Comparison(ROWS, systems).best() == "ours"
    assert Comparison(ROWS, systems).methods == ["ours", "ibp1", "cubic", "ibp3"]
    assert Comparison([], systems).best() is None


def test_methods_that_failed_keep_their_line_with_the_reason():
    rows = [*ROWS, {"case": "a", "task": "t", "method": "tool", "error": "not installed"}]
    rows.append({"case": "b", "task": "t", "method": "ours", "error": "too large"})
    lines = {line.method: line for line in task_table(Comparison(rows), "t").lines}
    assert (lines["tool"].cells, lines["tool"].reason) == ([], "not installed")
    assert lines["ours"].cells[0].text == "2 of 3"
    assert "too large" in lines["ours"].reason


def test_the_star_is_for_one_better_than_others_on_the_same_number_of_volumes():
    few = [*ROWS, row("a", "lucky", 40.0)]  # measured on the easier volume only
    stars = [line.method for line in task_table(Comparison(few), "t").lines if any(c.best for c in line.cells)]
    assert stars == ["ours"]
    (line,) = [line for line in overview(Comparison(ROWS)).lines if line.method == "ours"]
    assert (line.cells[0].text, line.cells[0].best) == ("+1.50", True)


def test_sweeps_are_tasks_that_differ_in_one_thing():
    rows = []
    for case in "ab":
        for noise, width in ((0.0, 1.0), (0.02, 1.0), (0.0, 1.5)):
            facts = {"kind": "through-plane", "factor": 2.0, "noise": noise, "width": width}
            rows.append(row(case, "cubic", 30.0 - 100 * noise - width, **facts))
    del rows[1]  # case a lacks the noisy task: the curve is that of b alone
    noise, width = Comparison(rows).sweeps()
    assert (noise.title, noise.variable, noise.levels) == ("through-plane x2", "noise", (0.0, 0.02))
    assert noise.means["cubic"] == pytest.approx((29.0, 27.0))
    assert (width.title, width.variable) == ("through-plane x2, clean", "width")
    assert width.means["cubic"] == pytest.approx((29.0, 28.5))


def test_signs():
    assert [signed(x) for x in (1.234, -0.5, -0.001)] == ["+1.23", "\N{MINUS SIGN}0.50", "0.00"]
