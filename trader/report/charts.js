"use strict";
// Line charts as inline SVG: panes share one time axis, a legend that reads values at the cursor, zoom, keyboard.

const svgSpace = document.querySelector("svg").namespaceURI;

function element(name, attributes, parent, text) {
  const node = document.createElementNS(svgSpace, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function html(name, className, parent, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function unpack(line, clock) {  // steps of ticks -> milliseconds
  let ticks = 0;
  return { t: line.t.map((step) => clock.start + (ticks += step) * clock.tick), y: line.y };
}

function before(times, time) {  // index of the last entry <= time, at least 0
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= time) low = middle; else high = middle - 1;
  }
  return low;
}

function niceTicks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(k * step);
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const m of [1, 2, 5]) if (m * 10 ** power >= low && m * 10 ** power <= high) ticks.push(m * 10 ** power);
  return ticks.length >= 3 ? ticks : niceTicks(low, high, 4).filter((tick) => tick > 0);
}

const MINUTE = 60e3, HOUR = 3600e3, DAY = 24 * HOUR;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function timeTicks(low, high, count) {
  const span = (high - low) / count;
  const months = [1, 2, 3, 6, 12, 24, 60, 120, 240].find((m) => m * 30.4 * DAY >= span) || 600;
  if (span > 15 * DAY) {
    const start = new Date(low), ticks = [];
    for (let m = Math.floor((start.getUTCFullYear() * 12 + start.getUTCMonth()) / months) * months; ; m += months) {
      const time = Date.UTC(Math.floor(m / 12), m % 12, 1);
      if (time > high) return ticks;
      if (time >= low) ticks.push([time, m % 12 ? MONTHS[m % 12] : String(Math.floor(m / 12))]);
    }
  }
  const step = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY]
    .find((s) => s >= span) || 14 * DAY;
  const ticks = [];
  for (let time = Math.ceil(low / step) * step; time <= high; time += step) {
    const date = new Date(time), clock = date.toISOString().slice(11, 16);
    ticks.push([time, clock === "00:00" ? `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}` : clock]);
  }
  return ticks;
}

class Chart {
  // groups: [{id, name, colour, dash, shown}]; panes: [{label, height, log, format, lines, bands, marks}]
  constructor(host, label, tick) {
    this.host = host; this.tick = tick; this.groups = []; this.panes = []; this.view = null; this.cursor = null;
    this.legend = html("div", "legend", host);
    this.date = html("output", "cursor-date", this.legend);
    this.date.setAttribute("aria-live", "polite");
    this.svg = element("svg", { class: "chart", tabindex: "0", role: "img", "aria-label": label });
    host.appendChild(this.svg);
    this.reset = html("button", "reset", host, "Show all dates");
    this.reset.type = "button";
    this.reset.onclick = () => this.zoom(null);
    this.listen();
  }

  set(groups, panes) {
    const hidden = new Set(this.groups.filter((group) => !group.shown).map((group) => group.id));
    if (this.groups.length) for (const group of groups) group.shown = !hidden.has(group.id);
    this.groups = groups; this.panes = panes;
    const all = panes.flatMap((pane) => pane.lines.map((line) => line.t));
    this.whole = [Math.min(...all.map((t) => t[0])), Math.max(...all.map((t) => t[t.length - 1]))];
    if (this.view && (this.view[0] >= this.whole[1] || this.view[1] <= this.whole[0])) this.view = null;
    this.drawLegend(); this.draw();
  }

  drawLegend() {
    this.legend.querySelectorAll("button").forEach((node) => node.remove());
    this.values = this.groups.map((group) => {
      const button = html("button", "key", this.legend);
      button.type = "button";
      button.setAttribute("aria-pressed", String(group.shown));
      if (group.symbol) html("span", "", button, group.symbol).style.color = group.colour;
      else this.drawSwatch(group, button);
      html("span", "key-name", button, group.name);
      button.onclick = () => {
        group.shown = !group.shown;
        button.setAttribute("aria-pressed", String(group.shown));
        this.draw();
      };
      return html("span", "key-value", button);
    });
  }

  drawSwatch(group, button) {
    const swatch = element("svg", { class: "swatch", viewBox: "0 0 22 8", "aria-hidden": "true" }, button);
    element("path", { d: "M0 4H22", style: `stroke:${group.colour};stroke-width:${group.width || 2}`,
      "stroke-dasharray": group.dash || "" }, swatch);
  }

  zoom(view) {
    if (view && view[1] - view[0] < 4 * this.tick) return;
    this.view = view && [Math.max(view[0], this.whole[0]), Math.min(view[1], this.whole[1])];
    this.draw();
  }

  x(time) { return this.left + ((time - this.span[0]) / (this.span[1] - this.span[0] || 1)) * this.inner; }
  time(x) { return this.span[0] + ((x - this.left) / this.inner) * (this.span[1] - this.span[0]); }

  draw(width) {
    this.width = width || Math.max(280, this.host.clientWidth);
    this.left = this.width < 520 ? 46 : 58;
    this.inner = this.width - this.left - 8;
    this.span = this.view || this.whole;
    this.shown = new Set(this.groups.filter((group) => group.shown).map((group) => group.id));
    this.svg.replaceChildren();
    let top = 4;
    for (const pane of this.panes) { this.drawPane(pane, top); top += pane.height + 26; }
    this.bottom = top - 8;
    for (const [time, text] of timeTicks(...this.span, Math.max(3, this.inner / 85)))
      element("text", { x: this.x(time), y: this.bottom + 15, "text-anchor": "middle", class: "tick" }, this.svg, text);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.bottom + 22}`);
    this.line = element("line", { class: "cursor", y1: 4, y2: this.bottom, visibility: "hidden" }, this.svg);
    this.brush = element("rect", { class: "brush", y: 4, height: this.bottom - 4, width: 0 }, this.svg);
    this.reset.hidden = !this.view;
    this.read();
  }

  range(pane) {
    let low = Infinity, high = -Infinity;
    const see = (value) => {
      if (pane.log && value <= 0) return;
      if (value < low) low = value;
      if (value > high) high = value;
    };
    for (const line of [...pane.lines, ...(pane.bands || []).flatMap((band) => [band.low, band.high])]) {
      if (line.group !== undefined && !this.shown.has(line.group)) continue;
      const last = before(line.t, this.span[1]);
      for (let i = before(line.t, this.span[0]); i <= last; i++) see(line.y[i]);
    }
    if (pane.include) pane.include.forEach(see);
    if (low > high) return pane.log ? [1, 10] : [0, 1];
    if (pane.log) return [low / 1.03, high * 1.03];
    const room = (high - low || Math.abs(high) || 1) * 0.04;
    return [low - room, high + (high === 0 ? room / 4 : room)];
  }

  drawPane(pane, top) {
    const [low, high] = this.range(pane), scale = pane.log ? Math.log : (value) => value;
    const from = scale(low), to = scale(high), base = top + 18;
    const y = (value) => base + (1 - (scale(Math.max(value, pane.log ? low : -Infinity)) - from) / (to - from)) * pane.height;
    element("text", { x: 0, y: top + 9, class: "pane-label" }, this.svg, pane.label);
    const ticks = pane.log ? logTicks(low, high) : niceTicks(low, high, Math.max(3, pane.height / 46));
    for (const tick of ticks) {
      element("line", { x1: this.left, x2: this.width - 8, y1: y(tick), y2: y(tick),
        class: tick === 0 ? "grid zero" : "grid" }, this.svg);
      element("text", { x: this.left - 7, y: y(tick) + 3.5, "text-anchor": "end", class: "tick" }, this.svg,
        pane.axis(tick));
    }
    const clip = `clip-${this.host.id}-${this.panes.indexOf(pane)}`;
    const box = element("clipPath", { id: clip }, this.svg);
    element("rect", { x: this.left, y: base - 4, width: this.inner, height: pane.height + 8 }, box);
    const layer = element("g", { "clip-path": `url(#${clip})` }, this.svg);
    for (const band of pane.bands || []) if (this.shown.has(band.group)) this.drawBand(band, y, layer);
    for (const line of pane.lines) if (this.shown.has(line.group)) this.drawLine(line, y, layer);
    if (pane.marks) this.drawMarks(pane.marks, y, this.svg);
  }

  points(line, y) {
    const first = Math.max(0, before(line.t, this.span[0]) - 1);
    const last = Math.min(line.t.length - 1, before(line.t, this.span[1]) + 1), parts = [];
    for (let i = first; i <= last; i++) {
      const x = this.x(line.t[i]).toFixed(1);
      if (line.step && i > first) parts.push(`${x},${y(line.y[i - 1]).toFixed(1)}`);
      parts.push(`${x},${y(line.y[i]).toFixed(1)}`);
    }
    return parts;
  }

  drawBand(band, y, layer) {
    const outline = [...this.points(band.high, y), ...this.points(band.low, y).reverse()];
    element("path", { d: `M${outline.join("L")}Z`, class: "band", style: `fill:${band.colour}` }, layer);
  }

  drawLine(line, y, layer) {
    const points = this.points(line, y);
    if (line.area) {
      const ends = [points[points.length - 1], points[0]].map((point) => `${point.split(",")[0]},${y(0).toFixed(1)}`);
      element("path", { d: `M${[...points, ...ends].join("L")}Z`, class: "area", style: `fill:${line.colour}` }, layer);
    }
    element("path", { d: `M${points.join("L")}`, class: "line", "stroke-dasharray": line.dash || "",
      style: `stroke:${line.colour};stroke-width:${line.width || 1.6};opacity:${line.opacity || 1}` }, layer);
  }

  drawMarks(marks, y, layer) {
    const rows = [];
    for (let i = 0; i < marks.t.length; i++)
      if (marks.t[i] >= this.span[0] && marks.t[i] <= this.span[1] && this.shown.has(marks.kind[i])) rows.push(i);
    const r = rows.length > 300 ? 2.5 : rows.length > 120 ? 3.5 : 5;
    for (const i of rows) {  // entries stand off the line, so that an exit at the same price hides none
      const x = this.x(marks.t[i]), at = y(marks.y[i]), up = marks.kind[i] === "long" ? 1 : -1;
      if (marks.kind[i] === "exit") element("circle", { cx: x, cy: at, r: r * 0.55, class: "mark exit" }, layer);
      else element("path", { class: `mark ${marks.kind[i]}`,
        d: `M${x} ${at + up * r * 0.9}L${x - r} ${at + up * r * 2.6}H${x + r}Z` }, layer);
    }
  }

  read() {  // values at the cursor, or the last ones
    const time = Math.min(this.cursor === null ? this.span[1] : this.cursor, this.span[1]);
    const text = new Date(time).toISOString();
    this.date.textContent = this.tick % DAY ? `${text.slice(0, 10)} ${text.slice(11, 16)}` : text.slice(0, 10);
    this.line.setAttribute("visibility", this.cursor === null ? "hidden" : "visible");
    this.line.setAttribute("x1", this.x(time)); this.line.setAttribute("x2", this.x(time));
    this.groups.forEach((group, row) => {
      const values = this.panes.flatMap((pane) => pane.lines.filter((line) => line.group === group.id && !line.silent)
        .map((line) => pane.format(line.y[before(line.t, time)])));
      this.values[row].textContent = group.shown ? values.join(" · ") : "";
    });
  }

  move(time) {
    const times = this.panes[0].lines[0].t, row = before(times, time);
    const next = Math.min(row + 1, times.length - 1);
    this.cursor = Math.abs(times[next] - time) < Math.abs(times[row] - time) ? times[next] : times[row];
    this.cursor = Math.min(Math.max(this.cursor, this.span[0]), this.span[1]);
    this.read();
  }

  listen() {
    const at = (event) => {
      const box = this.svg.getBoundingClientRect();
      return ((event.clientX - box.left) / box.width) * this.width;
    };
    let from = null;
    this.svg.onpointerdown = (event) => { if (event.pointerType === "mouse") from = at(event); };
    this.svg.onpointermove = (event) => {
      this.move(this.time(at(event)));
      if (from === null) return;
      this.brush.setAttribute("x", Math.min(from, at(event)));
      this.brush.setAttribute("width", Math.abs(at(event) - from));
    };
    this.svg.onpointerup = (event) => {
      if (from !== null && Math.abs(at(event) - from) > 8)
        this.zoom([this.time(Math.min(from, at(event))), this.time(Math.max(from, at(event)))]);
      from = null;
      this.brush.setAttribute("width", 0);
    };
    this.svg.onpointerleave = () => {
      from = null; this.cursor = null; this.brush.setAttribute("width", 0); this.read();
    };
    this.svg.ondblclick = () => this.zoom(null);
    this.svg.onkeydown = (event) => this.key(event);
  }

  key(event) {
    const width = this.span[1] - this.span[0], now = this.cursor === null ? this.span[1] : this.cursor;
    const stride = Math.max(this.tick, width / 100);
    const actions = {
      ArrowLeft: () => this.move(now - stride), ArrowRight: () => this.move(now + stride),
      Home: () => this.move(this.span[0]), End: () => this.move(this.span[1]),
      "+": () => this.zoom([now - width / 4, now + width / 4]), "-": () => this.zoom([now - width, now + width]),
      Escape: () => this.zoom(null),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }
}
