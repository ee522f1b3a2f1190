"use strict";
// Gives the figures their points, the colours of the style sheet and the page's controls; Plotly draws them.

const values = JSON.parse(document.getElementById("values").textContent);
const { start, tick } = values.clock;
const byId = (id) => document.getElementById(id);
const config = { displayModeBar: false, responsive: true, doubleClick: "reset+autosize", showTips: false };
const ALL_DATES = { "xaxis.autorange": true, "yaxis.autorange": true, "yaxis2.autorange": true };
const charts = [];

function unpack({ t, y }) {  // steps of ticks -> milliseconds
  let ticks = 0;
  return { x: t.map((step) => start + (ticks += step) * tick), y };
}

function painted(figure) {  // var(--name) -> the colour it has now: light, dark or paper
  const style = getComputedStyle(document.documentElement);
  const paint = (key, value) => {
    const name = /color$|family$/.test(key) && /^var\((--[a-z-]+)\)$/.exec(value);
    return name ? style.getPropertyValue(name[1]).trim() : value;
  };
  return JSON.parse(JSON.stringify(figure), paint);
}

function draw({ host, figure, lines, log, shows }) {
  const { data, layout } = painted(figure);
  lines().forEach((line, row) => Object.assign(data[row], unpack(line)));
  for (const { mode, x, marker } of data) if (mode === "markers" && x.length > 50) marker.size *= 0.6;
  const { x } = data[0];
  layout.xaxis.autorangeoptions = { clipmin: x[0], clipmax: x[x.length - 1] };
  layout.uirevision = shows();  // the same dates keep zoom and hidden lines
  layout.yaxis.type = log.checked ? "log" : "linear";
  if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;  // a finger scrolls the page
  if ("paper" in document.documentElement.dataset) Object.assign(layout, { width: 700, height: 430 });
  return Plotly.react(host, data, layout, config);
}

function addChart(chart) {
  const { host } = chart, readout = host.parentNode.querySelector("output");
  draw(chart);
  chart.log.onchange = () => { draw(chart); Plotly.relayout(host, { "yaxis.autorange": true }); };
  host.parentNode.querySelector("button").onclick = () => Plotly.relayout(host, ALL_DATES);
  host.on("plotly_afterplot", () => reachLegend(host));
  host.onkeydown = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !press(chart, event.key, event.target)) return;
    event.preventDefault();
    setTimeout(() => {  // Plotly holds back labels that follow each other too fast
      readout.textContent = [...host.querySelectorAll(".hoverlayer text")].map((label) => label.textContent).join("; ");
    }, 120);
  };
  reachLegend(host);
  charts.push(chart);
}

function reachLegend(host) {  // Plotly's legend listens to the pointer only
  host.querySelectorAll(".legendtoggle").forEach((key) => {
    key.setAttribute("tabindex", "0");
    key.setAttribute("role", "button");
    key.setAttribute("aria-label", `Show or hide ${key.parentNode.textContent}`);
  });
}

function press(chart, key, target) {
  const { host } = chart, times = unpack(chart.lines()[0]).x, last = times.length - 1;
  const utc = (text) => Date.parse(text.length > 10 ? `${text.replace(" ", "T")}Z` : text);
  const stamp = (edge) => (typeof edge === "number" ? edge : utc(edge));
  const [from, to] = host.layout.xaxis.range.map(stamp), stride = Math.max(1, Math.round(times.length / 100));
  const zoom = (factor) => {
    const middle = Math.min(Math.max(times[chart.row ?? last], from), to), half = ((to - from) / 2) * factor;
    Plotly.relayout(host, { "xaxis.range": [middle - half, middle + half] });
  };
  const read = (row, pane = chart.pane || "xy") => {
    chart.row = Math.min(Math.max(row, 0), last); chart.pane = pane;
    Plotly.Fx.hover(host, { xval: times[chart.row] }, [pane]);
  };
  const actions = {
    ArrowLeft: () => read((chart.row ?? last + 1) - stride), ArrowRight: () => read((chart.row ?? last) + stride),
    Home: () => read(0), End: () => read(last),
    ArrowUp: () => read(chart.row ?? last, "xy"), ArrowDown: () => read(chart.row ?? last, "xy2"),
    "+": () => zoom(0.5), "-": () => zoom(2), Escape: () => Plotly.relayout(host, ALL_DATES),
  };
  if (target.matches(".legendtoggle") && (key === "Enter" || key === " "))
    ["mousedown", "mouseup"].forEach((kind) => target.dispatchEvent(new MouseEvent(kind, { bubbles: true })));
  else if (actions[key]) actions[key]();
  else return false;
  return true;
}

const { assets } = values.positions, asset = byId("asset"), seed = byId("seed"), note = byId("marks-note");
const count = (number) => number.toLocaleString("en-US");

function positionLines() {
  const { price, seeds } = assets[asset.value], { exposure, long, short, exit, shown, all } = seeds[seed.value];
  note.hidden = shown === all;
  note.textContent = `${count(shown)} of ${count(all)} entries and exits are drawn.`;
  return [price, exposure, long, short, exit];
}

addChart({
  host: byId("performance"), figure: values.performance.figure, log: byId("log"),
  lines: () => values.performance.lines, shows: () => "all",
});
addChart({
  host: byId("positions"), figure: values.positions.figure, log: byId("log-price"),
  lines: positionLines, shows: () => asset.value,
});
for (const choice of [asset, seed]) choice.onchange = () => draw(charts[1]);

const redraw = () => charts.forEach(draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((node) => { node.open = true; });
  document.documentElement.dataset.paper = "";
  redraw();
});
window.addEventListener("afterprint", () => { delete document.documentElement.dataset.paper; redraw(); });
document.documentElement.dataset.drawn = String(charts.length);
