"""The composition of scenes, in which no answer follows from another part of the scene.

This module places the things; `motion` chooses their frames and their paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evscli.mini.world import motion
from evscli.mini.world.scene import (
    COLORS,
    SHAPES,
    Flags,
    Floats,
    Form,
    Light,
    Role,
    Scene,
    Thing,
    spans_of,
)

MOVERS = (0.15, 0.45, 0.25, 0.15)
"""The chances of 0, 1, 2 and 3 movers in a video that has no cuts."""

MOVERS_OF_MANY = (0.42, 0.36, 0.14, 0.08)
"""The chances of 0, 1, 2 and 3 movers in each scene of a video that may have cuts."""

SAME_SHAPE = 0.45
"""The chance that a mover has the shape of the one before, so that only its colour names it."""

ROOM_FOR_A_POP = 6
"""The least frames for each pop. In a shorter video with two some thirds would be rarer."""

TOURS = 0.12
"""The share of tours among the videos without cuts that are long enough for scenes. Their camera
goes along a wall, so that the picture changes without a cut."""

HUNG = 9
"""The most things on the wall of a tour."""

HIDDEN = 45
"""The pixels outside the picture from which nothing of a thing is seen in it."""

SHADOW = 4
"""The most pixels by which the shadow of a thing extends beyond it."""


def compose(rng: Generator, form: Form) -> Scene:
    """Compose a scene for a video of this form."""
    cuts = motion.choose_cuts(rng, form.frames)
    if not cuts and form.frames >= motion.COUNTS_SCENES and rng.random() < TOURS:
        return compose_tour(rng, form)
    camera = motion.move_camera(rng, form, cuts)
    zoom = motion.move_zoom(rng, form.frames, cuts)
    stage = Stage(rng=rng, form=form, cuts=cuts, camera=camera, zoom=zoom)
    light = stage.furnish()
    stage.place_pops()
    return Scene(
        form=form, cuts=cuts, camera=camera, things=tuple(stage.things), light=light, zoom=zoom
    )


def compose_tour(rng: Generator, form: Form) -> Scene:
    """Compose a wall that the camera goes along, about which only the number of scenes is asked.

    It begins as any other video does, so that the first frame does not give it away.
    """
    camera, zoom = motion.tour(rng, form)
    stage = Stage(rng=rng, form=form, cuts=(), camera=np.zeros_like(camera))
    light = stage.furnish()
    size = np.array(form.size[::-1])
    for _ in range(int(rng.integers(HUNG + 1))):
        place = rng.uniform(camera.min(0), camera.max(0) + size)
        if ((place < -HIDDEN) | (place > size + HIDDEN)).any():
            path = np.tile(place.astype(np.float32), (form.frames, 1))
            always = slice(0, form.frames)
            stage.add(always, "still", stage.any_shape(), stage.any_color(), stage.radius(), path)
    return Scene(
        form=form,
        cuts=(),
        camera=camera,
        things=tuple(stage.things),
        light=light,
        zoom=zoom,
        tour=True,
    )


@dataclass(kw_only=True)
class Stage:
    """A scene in the making: the things placed so far, and the room left."""

    rng: Generator
    form: Form
    cuts: tuple[int, ...]
    camera: NDArray[np.int64]
    zoom: Floats | None = None
    things: list[Thing] = field(default_factory=list)
    taken: list[tuple[slice, float, float, float]] = field(default_factory=list)
    """The discs (frames, x, y, radius) that nothing else may cover."""

    @property
    def spans(self) -> list[slice]:
        """The frames of each scene."""
        return spans_of(self.cuts, self.form.frames)

    def furnish(self) -> Light | None:
        """Place everything that is there for a whole scene. Return the lamp, if there is one."""
        self.place_groups()
        self.place_stills()
        light = self.place_light()
        self.place_movers()
        return light

    def span_at(self, frame: int) -> slice:
        """Return the scene that a frame belongs to."""
        return next(span for span in self.spans if span.start <= frame < span.stop)

    def radius(self) -> float:
        """Draw a radius that is visible in cells of 16 pixels and leaves room for others."""
        largest = max(9.0, 0.17 * min(self.form.size))
        return float(self.rng.uniform(7.0, min(largest, 30.0)))

    def inside(self, span: slice, radius: float) -> motion.Region:
        """Return the region of centres for which the whole thing is in view in all of `span`."""
        high, low = self.camera[span].max(0), self.camera[span].min(0)
        height, width = self.form.size
        near = 1.0 if self.zoom is None else float(self.zoom[span].max())
        cut_x, cut_y = (side / 2 * (1 - 1 / near) for side in (width, height))
        return (
            radius + high[0] + cut_x,
            radius + high[1] + cut_y,
            width - radius + low[0] - cut_x,
            height - radius + low[1] - cut_y,
        )

    def outside(self, span: slice, radius: float) -> motion.Region:
        """Return the region of centres outside which a thing is out of view in all of `span`."""
        high, low = self.camera[span].max(0), self.camera[span].min(0)
        height, width = self.form.size
        reach = 1.3 * radius + SHADOW
        return (low[0] - reach, low[1] - reach, width + high[0] + reach, height + high[1] + reach)

    def room(self, span: slice, radius: float) -> tuple[float, float, float]:
        """Find a free place and the radius that fits there: (x, y, radius)."""
        while True:
            x0, y0, x1, y1 = self.inside(span, radius)
            for x, y in self.rng.uniform((x0, y0), (max(x0, x1), max(y0, y1)), (40, 2)):
                if self.free(span, x, y, radius):
                    return float(x), float(y), radius
            radius *= 0.93
            if radius < 4:  # crowded: let it overlap
                return float(x), float(y), radius

    def free(self, span: slice, x: float, y: float, radius: float) -> bool:
        """Return whether a disc is clear of all that is there in the same frames."""
        return all(
            span.start >= other.stop
            or span.stop <= other.start
            or np.hypot(x - ox, y - oy) > radius + oradius + 1
            for other, ox, oy, oradius in self.taken
        )

    def shown(self, *spans: slice) -> Flags:
        """Return [F] flags that are true within the spans."""
        flags = np.zeros(self.form.frames, bool)
        for span in spans:
            flags[span] = True
        return flags

    def add_still(self, span: slice, role: Role, shape: str, color: str, scene: slice) -> None:
        """Add a thing that does not move: there during `span`, kept clear during `scene`."""
        x, y, radius = self.room(scene, self.radius())
        self.taken.append((scene, x, y, radius))
        path = np.tile(np.array([x, y], np.float32), (self.form.frames, 1))
        self.add(span, role, shape, color, radius, path)

    def add(
        self, span: slice, role: Role, shape: str, color: str, radius: float, path: Floats
    ) -> None:
        """Add a thing to the stage."""
        self.things.append(
            Thing(
                shape=shape,
                color=color,
                role=role,
                radius=radius,
                turn=float(self.rng.uniform(-0.3, 0.3)),
                path=path,
                shown=self.shown(span),
            )
        )

    def any_shape(self) -> str:
        """Draw one of the shapes."""
        return SHAPES[int(self.rng.integers(len(SHAPES)))]

    def any_color(self) -> str:
        """Draw one of the colours."""
        return tuple(COLORS)[int(self.rng.integers(len(COLORS)))]

    def place_groups(self) -> None:
        """Place one to four still things of a shape in every scene. The first ones are counted.

        Every scene is as full as any other, so the first does not give their number away.
        """
        shapes = self.rng.permutation(SHAPES)[: len(self.spans)]
        for number in self.rng.permutation(len(self.spans)):
            scene = self.spans[number]
            for _ in range(int(self.rng.integers(1, 5))):
                self.add_still(scene, "still", str(shapes[number]), self.any_color(), scene)

    def place_stills(self) -> None:
        """Place up to two things of other shapes in every scene."""
        grouped = {thing.shape for thing in self.things}
        others = [shape for shape in SHAPES if shape not in grouped]
        for scene in self.spans:
            for _ in range(int(self.rng.choice(3, p=[0.35, 0.4, 0.25]))):
                shape = others[int(self.rng.integers(len(others)))]
                self.add_still(scene, "still", shape, self.any_color(), scene)

    def place_movers(self) -> None:
        """Place up to three things in every scene that move to one side."""
        chances = MOVERS_OF_MANY if self.form.frames >= motion.LONG_ENOUGH else MOVERS
        for scene in self.spans:
            shape = self.any_shape()
            for _ in range(int(self.rng.choice(len(chances), p=chances))):
                self.add_mover(scene, shape)
                shape = shape if self.rng.random() < SAME_SHAPE else self.any_shape()

    def add_mover(self, scene: slice, shape: str) -> None:
        """Add a thing that moves all through a scene."""
        axis = motion.choose_axis(self.rng, self.camera[scene])
        radius = self.radius()
        region, outside = self.inside(scene, radius), self.outside(scene, radius)
        path = np.zeros((self.form.frames, 2), np.float32)
        path[scene] = motion.wander(self.rng, scene.stop - scene.start, axis, region, outside)
        self.add(scene, "mover", shape, self.any_color(), radius, path)

    def place_pops(self) -> None:
        """Place up to two things that are there for a moment, never at the same time."""
        count = int(self.rng.choice(3, p=[0.15, 0.4, 0.45]))
        count = min(count, self.form.frames // ROOM_FOR_A_POP)
        times: list[slice] = []
        shapes = self.rng.permutation(SHAPES)[:count]
        colors = self.rng.permutation(tuple(COLORS))[:count]
        for shape, color in zip(shapes, colors, strict=True):
            moment = self.moment(times)
            if moment is None:
                return
            times.append(moment)
            self.add_still(moment, "pop", str(shape), str(color), self.span_at(moment.start))

    def moment(self, others: Sequence[slice]) -> slice | None:
        """Choose the frames of a brief event, apart from the `others`."""
        return motion.choose_moment(self.rng, self.form.frames, self.spans, others)

    def place_light(self) -> Light | None:
        """Place a lamp in half of the videos."""
        if self.rng.random() < 0.5:
            return None
        flashes = self.flashes()
        if not flashes:
            return None
        always = slice(0, self.form.frames)  # or its scene would give the time of a flash away
        x, y, radius = self.room(always, float(self.rng.uniform(3, 7)))
        self.taken.append((always, x, y, 1.3 * radius))
        return Light(
            centre=(x, y),
            radius=radius,
            shown=self.shown(always),
            lit=self.shown(*flashes),
            starts=tuple(flash.start for flash in flashes),
        )

    def flashes(self) -> list[slice]:
        """Choose the frames of flashes: one, or up to four where there are no cuts."""
        repeats = not self.cuts and self.form.frames >= motion.LONG_ENOUGH
        count = int(self.rng.integers(1, 5)) if repeats else 1
        if count > 1:
            return motion.choose_flashes(self.rng, self.form.frames, count)
        moment = self.moment([])
        return [] if moment is None else [moment]
