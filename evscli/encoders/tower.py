"""A whole pass through a vision tower, made of its blocks, whatever the family.

A tower runs block by block, on all patches of frames [T, S, C] or on a packed row [K, C] of those
that pruning left. Windows are the patches that become one token. Knows no checkpoint, no processor
and no method.
"""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from evscli.models.contract import Tower
from evscli.models.parts.packing import Packing
from evscli.scratch import allocate


def encode_frames(tower: Tower, patches: Tensor) -> tuple[Tensor, Tensor | None]:
    """Encode patches [T, S, P] to embeds [T, h, w, D] and any DeepStack planes [L, T, h, w, D]."""
    states, _ = run_from(tower, tower.embed(patches), start=0, stop=tower.depth)
    return tower.tokens(states)


def run_from(
    tower: Tower, hidden: Tensor, *, start: int, stop: int
) -> tuple[dict[int, Tensor], Tensor]:
    """Run blocks start..stop-1 on [T, S, C]; return those outputs that are read, and the last."""
    read = {}
    for number in range(start, stop):
        hidden = tower.block(number, hidden)
        if number in tower.read_after:
            read[number] = hidden
    return read, hidden


def run_packed(
    tower: Tower, states: Mapping[int, Tensor], packing: Packing, keep: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Run packed states through the rest of the tower, and turn them into tokens.

    `states` are outputs [K, C] by block: the last one goes on, the others are those that are read.
    Returns the embeds [n, D] and planes [L, n, D] of the windows `keep` [T, h, w].
    """
    number = max(states)
    row, rest = states[number], tower.packed(packing)
    read = {n: state for n, state in states.items() if n in tower.read_after}
    for block in range(number + 1, tower.depth):
        row = rest.block(block, row)
        if block in tower.read_after:
            read[block] = row
    return finish_packed(tower, read, packing, keep)


def windows_of(tower: Tower, hidden: Tensor, out: Tensor | None = None) -> Tensor:
    """Return hidden states [T, S, C] as windows [T, h, w, p, C], where they are.

    They are a view where patches already lie window by window, else a copy: in `out` [T, h*w*p, C],
    or in memory on a device, or on the CPU in a file if large.
    """
    h, w = tower.cells
    if not lies_by_window(tower):
        places = places_of(tower, hidden.device).flatten()
        if out is None and hidden.device.type == "cpu":
            out = allocate((len(hidden), len(places), hidden.shape[2]), hidden.dtype)
        hidden = torch.index_select(hidden, 1, places, out=out)
    return hidden.view(len(hidden), h, w, -1, hidden.shape[-1])


def lies_by_window(tower: Tower) -> bool:
    """Return whether patches lie window by window, and nothing else is between them."""
    places = places_of(tower, torch.device("cpu")).flatten()
    return torch.equal(places, torch.arange(tower.size))


def patches_of(tower: Tower, windows: Tensor) -> Tensor:
    """Return a value for each window [T, h, w] as one for each patch [T, S].

    A patch of several windows has the largest of their values. What is in no window, as a class
    token, is True where anything of its frame is, and 0 among numbers.
    """
    flat, places = windows.flatten(1), places_of(tower, windows.device)
    if flat.dtype == torch.bool:
        patches = flat.any(dim=1, keepdim=True).repeat(1, tower.size)
    else:
        patches = flat.new_zeros((len(flat), tower.size))
    patches[:, places.flatten()] = flat.repeat_interleave(places.shape[1], dim=1)
    if tower.shares_patches:
        for own in places.T:
            patches[:, own] = torch.maximum(patches[:, own], flat)
    return patches


def finish_packed(
    tower: Tower, states: Mapping[int, Tensor], packing: Packing, keep: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Turn packed outputs [K, C] to the embeds [n, D] and planes [L, n, D] of windows `keep`.

    Where rows lie is computed where `keep` is, so that nothing waits for the device.
    """
    rows, device = packing.here.to(keep.device), packing.rows.device
    place = torch.empty(len(keep) * packing.size, dtype=torch.int64, device=rows.device)
    place[rows] = torch.arange(len(rows), device=rows.device)
    frame, window = keep.flatten(1).nonzero(as_tuple=True)
    patches = places_of(tower, keep.device)[window]
    wanted = place[frame[:, None] * packing.size + patches].to(device)
    taken = {number: state[wanted] for number, state in states.items()}
    return tower.window_tokens(taken, window.to(device))


_PLACES: WeakKeyDictionary[Tower, Tensor] = WeakKeyDictionary()


def places_of(tower: Tower, device: torch.device) -> Tensor:
    """Return the tower's `window_patches` on a device; the one on the CPU is copied there once."""
    if device.type != "cpu":
        return tower.window_patches.to(device)
    if tower not in _PLACES:
        _PLACES[tower] = tower.window_patches.cpu()
    return _PLACES[tower]
