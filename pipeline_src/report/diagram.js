// Interactive reliability diagrams, drawn from the numbers in #diagram-data (`page.diagram_data`).
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("diagram-data").textContent);
  const form = document.getElementById("choose"), chart = document.getElementById("chart");
  const tip = document.getElementById("tip"), sides = document.getElementById("sides"), readout = document.getElementById("readout");
  const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"];
  const TALLEST = 560; // of the plot, in pixels
  const MOST_BARS = 4; // methods with error bars; those of more would hide each other
  const percent = (value, digits = 2) => (value === null ? "–" : (100 * value).toFixed(digits).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, ""));
  const inPercent = d3.format(".0%"), counted = d3.format(",");

  for (const id of ["sides", "numbers", "every-bin"]) document.getElementById(id).hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", draw);
  for (const radio of document.querySelectorAll("input[name=protocol]")) {
    radio.addEventListener("change", () => {
      const protocol = radio.id.split("-")[1];
      if (protocol in data.cells) { shown = protocol; draw(); }
    });
  }
  new ResizeObserver(() => { if (chart.clientWidth !== width) draw(); }).observe(chart);
  let width = 0, shown = Object.keys(data.cells)[0]; // the protocol

  // What is chosen: a series per method, each with its bins. A method keeps its look, whatever else is chosen, and its color in
  // every report: of methods that share one, the first has a solid line. The floor of confidence is 1 over the number of classes.
  function chosen() {
    const split = form.elements.set.value, protocol = shown;
    const cells = data.cells[protocol][split];
    const ticked = [...form.querySelectorAll("input[name=of]:checked")].map((box) => box.value);
    const methods = data.methods.filter((name) => ticked.includes(name) && name in cells);
    const series = methods.map((name, place) => {
      const { rows, ...errors } = cells[name];
      const number = data.methods.indexOf(name);
      const alike = data.methods.filter((other) => data.colors[other] === data.colors[name]);
      const look = { color: `var(--c${data.colors[name] + 1})`, symbol: SYMBOLS[number % SYMBOLS.length], dash: name === alike[0] ? null : "4 3" };
      const bins = rows.map(([k, pixels, share, confidence, accuracy, low, high]) => ({
        name, place, pixels, share, confidence, accuracy, low, high, ...look,
        lower: Math.max(k / data.bins, data.floor), from: k / data.bins, upper: (k + 1) / data.bins,
      }));
      return { name, ...look, ...errors, bins };
    });
    return { split, protocol, series };
  }

  function draw() {
    const { split, protocol, series } = chosen();
    width = chart.clientWidth;
    if (!width) return; // not laid out yet; the observer draws it then
    // A bin left of the axis holds only confidences of the floor; a few of them would distract.
    const points = series.flatMap((one) => one.bins.filter((bin) => bin.upper > data.floor || bin.share >= 0.001));
    const least = d3.min(points, (bin) => bin.low ?? bin.accuracy) ?? data.floor;
    const start = Math.max(0, Math.min(data.floor, Math.floor(10 * least) / 10));
    // Both axes have one range and one length: the diagonal has 45 degrees.
    const [left, above, below] = [52, 28, 24];
    const side = Math.min(TALLEST, width - left - 16), right = width - left - side, height = above + below + side;
    const shared = {
      width, marginLeft: left, marginRight: right, style: { fontSize: "12px", fontFamily: "inherit", background: "none", color: "var(--ink)" },
    };
    const x = { domain: [start, 1], label: null, tickFormat: inPercent, ticks: width < 480 ? 5 : 10 };
    const y = { domain: [start, 1], label: "Accuracy of the top label", labelArrow: "none", tickFormat: inPercent, grid: true };
    const main = Plot.plot({
      ...shared, height, x, y, marginBottom: below, marginTop: above, ariaLabel: `Accuracy against confidence${inWords(series)}`, marks: [
        ...(series.length === 1 ? bars(points, start) : []),
        Plot.line([[start, start], [1, 1]], { stroke: "var(--muted)", strokeDasharray: "5 3" }),
        ...(series.length === 1 ? [] : lines(series, points)),
        Plot.dot(points, { x: "confidence", y: "accuracy", fill: series.length === 1 ? "var(--ink)" : (bin) => bin.color, symbol: (bin) => (series.length === 1 ? "circle" : bin.symbol), stroke: "var(--paper)", strokeWidth: 1, r: 3.5, className: "points", clip: false }),
        ...(series.length > MOST_BARS ? [] : [errorBars(series, points)]),
      ],
      symbol: { type: "identity" },
      color: { type: "identity" },
    });
    const shift = (bin) => bin.lower + ((bin.upper - bin.lower) * (bin.place + 1)) / (series.length + 1);
    const shares = Plot.plot({
      ...shared, height: 130, x: { ...x, label: "Confidence of the top label", labelAnchor: "center", labelArrow: "none" }, marginBottom: 38, marginTop: 24,
      // The root of the share: a linear axis would show only the last bin.
      y: { domain: [0, 1], type: "sqrt", label: "Share of pixels (root scale)", labelArrow: "none", ticks: [0.01, 0.1, 0.5, 1], tickFormat: inPercent, grid: true },
      ariaLabel: "Share of pixels by confidence",
      marks: series.length === 1
        ? [Plot.rect(points, { x1: "lower", x2: "upper", y1: 0, y2: "share", fill: "var(--muted)", inset: 0.5 })]
        : [
          Plot.ruleX(points, { x: shift, y1: 0, y2: "share", stroke: (bin) => bin.color, strokeWidth: 2 }),
          Plot.dot(points, { x: shift, y: "share", fill: (bin) => bin.color, symbol: (bin) => bin.symbol, r: 2.5 }),
        ],
      symbol: { type: "identity" },
      color: { type: "identity" },
    });
    main.setAttribute("role", "group"); // its points are images, each with its numbers
    shares.setAttribute("role", "img");
    for (const mark of d3.selectAll([main, shares]).selectAll("g[aria-label]")) mark.removeAttribute("aria-label"); // "rect"
    sides.classList.toggle("tinted", series.length === 1); // squares as the areas of the plot, which several methods lack
    chart.replaceChildren(tip, main, sides, shares);
    tip.hidden = true;
    addTips(main, points);
    showNumbers(series);
    const where = `on ${split}, ${protocol === "raw" ? "unnormalized" : "min-max normalized"}, ${data.bins} bins`;
    document.getElementById("drawn").textContent = [
      series.length ? `${series.map((one) => one.name).join(", ")} ${where}.` : `Choose a method: none is shown ${where}.`,
      ...equals(series).map((names) => `Equal in all bins: ${names.join(", ")}.`),
    ].join(" ");
  }

  // The methods that hide each other, having the same numbers.
  function equals(series) {
    const alike = d3.groups(series, (one) => JSON.stringify(one.bins.map((bin) => [bin.confidence, bin.accuracy])));
    return alike.filter(([, same]) => same.length > 1).map(([, same]) => same.map((one) => one.name));
  }

  // One method: bars up to the accuracy, and the gap from there to the bin's mean confidence.
  function bars(points, start) {
    const gap = (over) => points.filter((bin) => bin.confidence > bin.accuracy === over);
    const between = { x1: "lower", x2: "upper", y1: "accuracy", y2: "confidence", insetLeft: 0.5, insetRight: 0.5, fillOpacity: 0.45 };
    return [
      Plot.rect(points, { x1: "lower", x2: "upper", y1: start, y2: (bin) => Math.min(bin.accuracy, bin.confidence), fill: "var(--bar)", insetLeft: 0.5, insetRight: 0.5 }),
      Plot.rect(gap(true), { ...between, fill: "var(--over)" }),
      Plot.rect(gap(false), { ...between, fill: "var(--under)" }),
      Plot.ruleY(points, { x1: "lower", x2: "upper", y: "accuracy", stroke: "var(--ink)", strokeWidth: 2 }),
    ];
  }

  function errorBars(series, points) {
    const known = points.filter((bin) => bin.low !== null);
    return Plot.ruleX(known, { x: "confidence", y1: "low", y2: "high", stroke: series.length === 1 ? "var(--ink)" : (bin) => bin.color, strokeWidth: 1.5, marker: "tick-x", className: "error-bars", pointerEvents: "none" });
  }

  function lines(series, points) {
    return series.map((one, place) => Plot.line(points.filter((bin) => bin.place === place), { x: "confidence", y: "accuracy", stroke: one.color, strokeWidth: 2, strokeDasharray: one.dash }));
  }

  const inWords = (series) => series.map((one) => `; ${one.name}: ECE ${percent(one.ece)} %, OE ${percent(one.oe)} %`).join("");
  const range = (bin) => (bin.upper <= data.floor ? `${percent(bin.upper, 1)} exactly` : `${percent(bin.from, 1)}–${percent(bin.upper, 1)}`);
  const interval = (bin) => (bin.low === null ? "–" : `[${percent(bin.low)}, ${percent(bin.high)}]`);
  const describe = (bin) => [
    `${bin.name}, confidence ${range(bin)} %`,
    `${counted(bin.pixels)} pixels (${percent(bin.share)} %)`,
    `confidence ${percent(bin.confidence)} %, accuracy ${percent(bin.accuracy)} %`,
    ...(bin.low === null ? [] : [`95 % CI of the accuracy ${interval(bin)}`]),
  ];

  // A bin's numbers on hover and on focus; Tab comes to the first point, the arrow keys go from there.
  function addTips(svg, points) {
    const dots = [...svg.querySelectorAll(".points > *")];
    const show = (i) => {
      tip.replaceChildren(...describe(points[i]).map((text) => Object.assign(document.createElement("div"), { textContent: text })));
      tip.hidden = false;
      const at = dots[i].getBoundingClientRect(), box = chart.getBoundingClientRect();
      const left = at.left + at.width / 2 - box.left - tip.offsetWidth / 2;
      const above = at.top - box.top - tip.offsetHeight - 8;
      tip.style.left = `${Math.max(0, Math.min(left, box.width - tip.offsetWidth))}px`;
      tip.style.top = `${above < 0 ? at.bottom - box.top + 8 : above}px`;
      dots.forEach((dot, k) => dot.classList.toggle("lit", k === i));
    };
    const hide = () => { tip.hidden = true; for (const dot of dots) dot.classList.remove("lit"); };
    dots.forEach((dot, i) => {
      dot.setAttribute("role", "img");
      dot.setAttribute("aria-label", describe(points[i]).join("; "));
      dot.setAttribute("tabindex", i ? -1 : 0);
      dot.addEventListener("focus", () => show(i));
      dot.addEventListener("blur", hide);
      dot.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1, Home: -i, End: dots.length - 1 - i }[event.key];
        if (event.key === "Escape") hide();
        if (step === undefined || !dots[i + step]) return;
        event.preventDefault();
        dot.setAttribute("tabindex", -1);
        dots[i + step].setAttribute("tabindex", 0);
        dots[i + step].focus();
      });
    });
    svg.addEventListener("pointermove", (event) => {
      const away = dots.map((dot) => {
        const at = dot.getBoundingClientRect();
        return Math.hypot(at.left + at.width / 2 - event.clientX, at.top + at.height / 2 - event.clientY);
      });
      const nearest = d3.minIndex(away);
      if (away[nearest] < 60) show(nearest); else hide();
    });
    svg.addEventListener("pointerleave", hide);
  }

  // A method's line and symbol, as the diagram has them.
  function swatch({ color, symbol, dash }) {
    const shape = d3.symbol(d3[`symbol${symbol[0].toUpperCase()}${symbol.slice(1)}`], 45);
    const svg = d3.create("svg").attr("class", "swatch").attr("viewBox", "-12 -6 24 12").attr("aria-hidden", "true");
    svg.append("path").attr("d", "M-12,0H12").attr("stroke", color).attr("stroke-width", 2).attr("stroke-dasharray", dash);
    svg.append("path").attr("d", shape()).attr("fill", color);
    return svg.node();
  }

  // The numbers of the choice, as the tables print them, and those of its bins.
  function showNumbers(series) {
    const cells = (row, texts) => { for (const text of texts) row.insertCell().textContent = text; };
    const named = (row, one) => {
      const head = document.createElement("th");
      head.scope = "row";
      head.append(series.length > 1 ? swatch(one) : "", ...one.name.split(/(?<=[_-])/).flatMap((part) => [part, document.createElement("wbr")]));
      row.append(head);
    };
    const [whole, bins] = [readout, document.getElementById("bins")].map((table) => table.tBodies[0]);
    whole.replaceChildren();
    bins.replaceChildren();
    for (const one of series) {
      const row = whole.insertRow();
      named(row, one);
      cells(row, [one.ece, one.oe, one.accuracy, one.confidence].map((number) => percent(number)));
      for (const bin of one.bins) {
        const line = bins.insertRow();
        named(line, one);
        cells(line, [range(bin), counted(bin.pixels), percent(bin.share), percent(bin.confidence), percent(bin.accuracy), interval(bin), percent(bin.confidence - bin.accuracy)]);
      }
    }
  }
})();
