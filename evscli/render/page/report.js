"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [patches, high, wide] = data.grid;
  const cells = high * wide;
  const slider = document.getElementById("frame");
  const now = document.getElementById("now");
  const play = document.getElementById("play");
  const layers = Object.fromEntries(["picture", "mask", "scores", "grid"].map(
    (name) => [name, document.getElementById(`layer-${name}`)]));
  let current = 0;
  let timer = null;
  const pictures = data.pictures.map((source, frame) => {
    const image = new Image();
    image.onload = () => { if (frame === current) draw(); };
    return { image, source };
  });

  // A picture takes a moment to decode: the next ones are begun ahead, and the last one stays until
  // the wanted one is ready.
  function ready() {
    for (const picture of pictures.slice(current, current + 4)) {
      if (!picture.image.src) picture.image.src = picture.source;
    }
    return !pictures.length || !layers.picture.checked || pictures[current].image.complete;
  }

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const half = (bits) => {
    const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 31, rest = bits & 1023;
    if (power === 31) return rest ? NaN : sign * Infinity;
    return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
  };
  const colours = bytes(data.colours);

  const views = data.views.map((view, number) => {
    const states = bytes(view.states);
    let scores = null, ranks = null;
    if (view.scores) {
      const raw = bytes(view.scores);
      scores = new Float32Array(raw.length / 2);
      for (let i = 0; i < scores.length; i++) scores[i] = half(raw[2 * i] | (raw[2 * i + 1] << 8));
      const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
      ranks = new Uint32Array(order.length);
      order.forEach((cell, place) => { ranks[cell] = place + 1; });
    }
    const canvas = document.querySelector(`canvas.frame[data-view="${number}"]`);
    canvas.width = data.size[0];
    canvas.height = data.size[1];
    return {
      ...view, states, scores, ranks, canvas,
      curve: document.querySelector(`canvas.curve[data-view="${number}"]`),
      tip: canvas.parentElement.querySelector(".tip"),
    };
  });

  const patchOf = (frame) => Math.floor(frame / data.perPatch);
  function places(count, pixels) {
    const cell = new Uint16Array(pixels);
    for (let i = 0; i < pixels; i++) cell[i] = Math.floor(((2 * i + 1) * count) / (2 * pixels));
    return cell;
  }
  const rows = places(high, data.size[1]), columns = places(wide, data.size[0]);

  const starts = (cell) => {
    const first = [0];
    cell.forEach((place, i) => { if (i && place !== cell[i - 1]) first.push(i); });
    return [...first, cell.length];
  };
  const tops = starts(rows), lefts = starts(columns);

  function outline(context, view) {
    const cell = Math.min(data.size[1] / high, data.size[0] / wide);
    if (cell < 8) return;
    const thick = Math.max(1, Math.round(cell / 24)), first = patchOf(current) * cells;
    const kept = (h, w) => view.states[first + h * wide + w] > 0;
    context.fillStyle = data.outline;
    for (let h = 0; h < high; h++) {
      for (let w = 0; w < wide; w++) {
        if (!kept(h, w)) continue;
        const [y0, y1, x0, x1] = [tops[h], tops[h + 1], lefts[w], lefts[w + 1]];
        if (h > 0 && !kept(h - 1, w)) context.fillRect(x0, y0, x1 - x0, thick);
        if (h < high - 1 && !kept(h + 1, w)) context.fillRect(x0, y1 - thick, x1 - x0, thick);
        if (w > 0 && !kept(h, w - 1)) context.fillRect(x0, y0, thick, y1 - y0);
        if (w < wide - 1 && !kept(h, w + 1)) context.fillRect(x1 - thick, y0, thick, y1 - y0);
      }
    }
  }

  function paint(view) {
    const context = view.canvas.getContext("2d", { willReadFrequently: true });
    const [width, height] = data.size;
    const picture = pictures[current];
    context.fillStyle = data.blank;
    context.fillRect(0, 0, width, height);
    if (layers.picture.checked && picture) context.drawImage(picture.image, 0, 0, width, height);
    const image = context.getImageData(0, 0, width, height);
    const pixels = image.data;
    const first = patchOf(current) * cells;
    const masked = layers.mask.checked, heated = layers.scores.checked && view.scores;
    const gridded = layers.grid.checked && Math.min(width / wide, height / high) >= 6;
    const span = view.scale ? view.scale.high - view.scale.low : 0;
    for (let y = 0, at = 0; y < height; y++) {
      const line = gridded && y > 0 && rows[y] !== rows[y - 1];
      for (let x = 0; x < width; x++, at += 4) {
        const cell = first + rows[y] * wide + columns[x];
        let red = pixels[at], green = pixels[at + 1], blue = pixels[at + 2];
        const state = view.states[cell];
        if (heated) {
          const grey = 0.299 * red + 0.587 * green + 0.114 * blue;
          const share = span > 0 ? Math.min(1, Math.max(0, (view.scores[cell] - view.scale.low) / span)) : 0.5;
          const level = 3 * Math.round(255 * share);
          red = 0.35 * grey + 0.65 * colours[level];
          green = 0.35 * grey + 0.65 * colours[level + 1];
          blue = 0.35 * grey + 0.65 * colours[level + 2];
        }
        if (masked) {
          const tint = view.tints[state];
          if (state === 0 && heated) {
            red *= data.dark; green *= data.dark; blue *= data.dark;
          } else if (state === 0) {
            red = green = blue = data.dim * (0.299 * red + 0.587 * green + 0.114 * blue);
          } else if (tint) {
            const grey = 0.299 * red + 0.587 * green + 0.114 * blue;
            red = 0.55 * grey + 0.45 * tint[0];
            green = 0.55 * grey + 0.45 * tint[1];
            blue = 0.55 * grey + 0.45 * tint[2];
          }
        }
        if (line || (gridded && x > 0 && columns[x] !== columns[x - 1])) {
          red *= 0.72; green *= 0.72; blue *= 0.72;
        }
        pixels[at] = red; pixels[at + 1] = green; pixels[at + 2] = blue;
      }
    }
    context.putImageData(image, 0, 0);
    if (masked) outline(context, view);
    view.canvas.setAttribute("aria-label", `${view.name}, frame ${current + 1}: ${view.captions[patchOf(current)]}`);
  }

  function plot(view) {
    const canvas = view.curve, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    context.scale(ratio, ratio);
    const tall = height - 18, step = width / patches, gap = step >= 4 ? 1 : 0;
    for (let t = 0; t < patches; t++) {
      context.fillStyle = colour("--track");
      context.fillRect(t * step, 0, step - gap, tall);
      let low = tall;
      for (const [count, fill] of view.bars[t]) {
        const part = (tall * count) / cells;
        context.fillStyle = fill;
        context.fillRect(t * step, low - part, step - gap, part);
        low -= part;
      }
    }
    context.fillStyle = colour("--cut");
    for (const cut of data.cuts) context.fillRect((cut / data.perPatch) * step - 1, 0, 2, tall);
    const t = patchOf(current);
    context.strokeStyle = colour("--ink");
    context.lineWidth = 2;
    context.strokeRect(t * step, 1, Math.max(step - gap, 2), tall - 2);
    context.fillStyle = colour("--faint");
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "bottom";
    context.fillText(`${data.times[0].toFixed(1)} s`, 0, height);
    const last = `${data.times[data.times.length - 1].toFixed(1)} s`;
    context.fillText(last, width - context.measureText(last).width, height);
  }

  const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));

  function point(view, h, w) {
    view.cell = h === null ? null : [h, w];
    tell(view);
  }

  function tell(view) {
    view.tip.hidden = !view.cell;
    if (!view.cell) return;
    const [h, w] = view.cell, t = patchOf(current), cell = t * cells + h * wide + w;
    const lines = [`(t, h, w) = (${t}, ${h}, ${w})`, `${data.times[current].toFixed(2)} s, ${view.words[view.states[cell]]}`];
    if (view.scores) {
      const rank = view.ranks[cell].toLocaleString("en"), all = view.scores.length.toLocaleString("en");
      lines.push(`score ${view.scores[cell].toPrecision(4)}`, `rank ${rank} of ${all}`);
    }
    const text = lines.join("\n");
    if (view.tip.textContent !== text) view.tip.textContent = text;
    const box = view.canvas.getBoundingClientRect();
    const x = ((w + 1) * box.width) / wide, y = ((h + 1) * box.height) / high;
    const left = Math.min(x, box.width - view.tip.offsetWidth, innerWidth - box.left - view.tip.offsetWidth);
    const below = box.top + y + view.tip.offsetHeight <= innerHeight;
    view.tip.style.left = `${Math.max(left, -box.left)}px`;
    view.tip.style.top = `${below ? y : Math.max((h * box.height) / high - view.tip.offsetHeight, -box.top)}px`;
  }

  function draw() {
    const t = patchOf(current);
    now.textContent = `t ${t} of ${patches}, ${data.times[current].toFixed(2)} s: ` +
      views.map((view) => view.captions[t]).join(" | ");
    if (ready()) views.forEach(paint);
    for (const view of views) { plot(view); tell(view); }
  }

  function go(frame) {
    current = Math.max(0, Math.min(data.times.length - 1, frame));
    slider.value = current;
    slider.setAttribute("aria-valuetext", `${data.times[current].toFixed(2)} seconds`);
    draw();
  }

  function toggle(on) {
    if (on === (timer !== null)) return;
    clearTimeout(timer);
    timer = null;
    play.textContent = on ? "Pause" : "Play";
    now.setAttribute("aria-live", on ? "off" : "polite");
    if (on) {
      if (current === data.times.length - 1) go(0);
      step();
    }
  }
  function step() {
    const wait = current + 1 < data.times.length ? data.times[current + 1] - data.times[current] : 0;
    timer = setTimeout(() => {
      if (current + 1 >= data.times.length) { toggle(false); return; }
      go(current + 1);
      step();
    }, Math.max(40, 1000 * wait));
  }

  slider.addEventListener("input", () => { toggle(false); go(Number(slider.value)); });
  play.addEventListener("click", () => toggle(timer === null));
  for (const box of Object.values(layers)) box.addEventListener("change", draw);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const moves = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: data.times.length - 1 };
    const boxes = { p: "picture", m: "mask", s: "scores", g: "grid" };
    if (event.key in moves) { toggle(false); go(moves[event.key]); }
    else if (event.key === " " && event.target !== play && event.target.type !== "checkbox") toggle(timer === null);
    else if (event.key.toLowerCase() in boxes) {
      const box = layers[boxes[event.key.toLowerCase()]];
      if (!box.disabled) { box.checked = !box.checked; draw(); }
    } else return;
    event.preventDefault();
  });
  for (const view of views) {
    view.canvas.addEventListener("mousemove", (event) => {
      const box = view.canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) * data.size[0]) / box.width);
      const y = Math.floor(((event.clientY - box.top) * data.size[1]) / box.height);
      point(view, rows[clamp(y, rows.length)], columns[clamp(x, columns.length)]);
    });
    view.canvas.addEventListener("mouseleave", () => point(view, null));
    view.canvas.addEventListener("blur", () => point(view, null));
    view.canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!event.shiftKey || !move) return;
      const [h, w] = view.cell || [0, 0];
      point(view, clamp(h + move[0], high), clamp(w + move[1], wide));
      event.preventDefault();
    });
    view.curve.addEventListener("click", (event) => {
      const box = view.curve.getBoundingClientRect();
      const t = Math.floor(((event.clientX - box.left) * patches) / box.width);
      toggle(false);
      go(Math.max(0, Math.min(patches - 1, t)) * data.perPatch);
    });
  }
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  go(0);
})();
