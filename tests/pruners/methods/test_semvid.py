from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from evscli.errors import UsageError
from evscli.pruners import prune
from evscli.records import PruneInputs, VideoTokens
from tests.pruners.videos import noise, tokens


def spelled_out(embeds: Tensor, query: Tensor, budgets: list[int]) -> Tensor:
    """The choice within frames, token by token, given how many each frame keeps."""
    unit = normalize(embeds.flatten(1, 2), dim=-1)
    near = (unit @ normalize(query, dim=-1).T).amax(-1)
    step = (unit[1:] - unit[:-1]).norm(dim=-1)
    mask = torch.zeros(unit.shape[:2], dtype=torch.bool)
    for t, budget in enumerate(budgets):
        chosen = [int((unit[t] @ unit[t].mean(0)).argmax())]
        for _ in range(int((budget - 1) * 0.6 + 0.5)):
            rest = [i for i in range(unit.shape[1]) if i not in chosen]
            alike = [float(max(unit[t, i] @ unit[t, j] for j in chosen)) for i in rest]
            gain = [0.9 * float(near[t, i]) - 0.1 * a for i, a in zip(rest, alike, strict=True)]
            chosen.append(rest[gain.index(max(gain))])
        around = torch.stack([*step[max(t - 1, 0) : t], *step[t : t + 1]]).mean(0)
        moving = sorted(range(unit.shape[1]), key=lambda i: -float(around[i]))
        chosen += [i for i in moving if i not in chosen][: budget - len(chosen)]
        mask[t, chosen] = True
    return mask.view(embeds.shape[:3])


@pytest.mark.parametrize("budget", [0.1, 0.3, 0.8])
@pytest.mark.parametrize("seed", range(3))
def test_tokens_within_frames_follow_the_rule(seed: int, budget: float) -> None:
    embeds, query = noise(5, 4, 4, seed=seed), noise(1, 1, 3, seed=seed + 9)[0, 0]
    kept = prune(
        VideoTokens.from_embeds(embeds), "semvid", budget=budget, inputs=PruneInputs(query=query)
    )
    budgets = kept.mask.flatten(1).sum(1).tolist()
    assert torch.equal(kept.mask, spelled_out(embeds, query, budgets))


def test_a_frame_near_the_query_keeps_more() -> None:
    embeds = noise(6, 4, 4, 32)
    kept = prune(
        VideoTokens.from_embeds(embeds),
        "semvid",
        budget=0.3,
        inputs=PruneInputs(query=embeds[3, 0, :2]),
    )
    per_frame = kept.mask.flatten(1).sum(1)
    assert per_frame.argmax() == 3
    assert kept.mask[3, 0, :2].all()
    assert per_frame.min() >= 1


@pytest.mark.parametrize("method", ["semvid", "cdpruner"])
class TestQuery:
    def test_is_needed(self, method: str) -> None:
        with pytest.raises(UsageError, match=f"'{method}' needs query"):
            prune(tokens(2, 2, 2), method, budget=0.5)

    def test_of_no_words_is_refused(self, method: str) -> None:
        with pytest.raises(UsageError, match="query is empty"):
            prune(tokens(2, 2, 2), method, budget=0.5, inputs=PruneInputs(query=torch.zeros(0, 8)))

    def test_of_another_width_is_refused(self, method: str) -> None:
        with pytest.raises(UsageError, match="width 4 and the tokens have 8"):
            prune(tokens(2, 2, 2), method, budget=0.5, inputs=PruneInputs(query=torch.zeros(2, 4)))
