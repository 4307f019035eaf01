"""The command that a report says it was made by."""

from __future__ import annotations

from evscli.cli.repeated import repeated
from evscli.train.scorer.plan import ScorerPlan
from evscli.train.uptrain.plan import UptrainPlan


def test_only_unusual_settings_are_repeated_as_they_are_typed() -> None:
    assert (
        repeated("evs train uptrain", None, UptrainPlan(), output="x") == "evs train uptrain -o x"
    )
    plan = UptrainPlan(methods=("vcast:tau=0.5",), steps=5, recompute=True, seed=3)
    assert repeated("evs train uptrain", ["my clips", "b.mp4"], plan, output="my run") == (
        "evs train uptrain 'my clips' b.mp4 --steps 5 --recompute --seed 3 --method vcast:tau=0.5 "
        "-o 'my run'"
    )
    assert repeated("x", [], ScorerPlan(learn="all"), UptrainPlan(lora=4), output="y") == (
        "x --learn all --lora 4 -o y"
    )
