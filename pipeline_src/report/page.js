// The page's controls: theme, tables that sort and filter, print, copy. Without this file everything can still be read.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Theme: as the system has it until the reader chooses.
  const theme = document.getElementById("theme");
  theme.hidden = false;
  const dark = () => getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const named = () => { theme.textContent = dark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `${theme.textContent} theme`); };
  const choose = (name) => { document.documentElement.dataset.theme = name; named(); };
  try { if (localStorage.theme) choose(localStorage.theme); } catch { /* a browser may forbid storage */ }
  theme.addEventListener("click", () => {
    choose(dark() ? "light" : "dark");
    try { localStorage.theme = document.documentElement.dataset.theme; } catch { /* then it is not remembered */ }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", named);
  named();

  // Sorting: within each group of rows; a third click brings the first order back. What is undefined comes last.
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim().replaceAll("−", "-");
    const number = /^[+-]?[\d,]*\.?\d+/.exec(text);
    return number ? parseFloat(number[0].replaceAll(",", "")) : text === "–" ? null : text.toLowerCase();
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  const sort = (table, heading, direction) => {
    for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
    if (direction) heading.setAttribute("aria-sort", direction);
    const sign = direction === "descending" ? -1 : 1;
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
      const keyed = rows.map((row) => [direction ? value(row, heading.cellIndex) : +row.dataset.order, row]);
      keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)));
      body.append(...keyed.map(([, row]) => row));
    }
  };
  for (const table of all("table.sortable")) {
    all("tbody tr", table).forEach((row, order) => { row.dataset.order = order; });
    for (const heading of all("thead th", table)) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const next = { null: "ascending", ascending: "descending", descending: null };
        sort(table, heading, next[heading.getAttribute("aria-sort")]);
      });
    }
  }

  // Filters: rows by method, groups of rows by data set; a table of which nothing is left goes. What is of no single method or
  // data set stays. The protocol is chosen for the whole page.
  const filters = document.getElementById("filters");
  filters.hidden = false;
  const filter = () => {
    const method = filters.elements.method.value.trim().toLowerCase(), part = filters.elements.part.value;
    const named = (element) => element.dataset.method.toLowerCase().includes(method);
    let shown = 0;
    for (const row of all("#tables tr[data-method]")) row.hidden = !named(row);
    for (const body of all("#tables tbody")) {
      const rows = all("tr[data-method]", body);
      body.hidden = Boolean(part && body.dataset.part && body.dataset.part !== part) || (rows.length > 0 && rows.every((row) => row.hidden));
      if (!body.hidden) shown += rows.filter((row) => !row.hidden).length;
    }
    for (const one of all("#tables > details")) one.hidden = all("tbody", one).length > 0 && all("tbody", one).every((body) => body.hidden);
    document.getElementById("filtered").textContent = method || part ? (shown ? "" : "No row fits.") : "";
  };
  filters.addEventListener("input", filter);
  filters.addEventListener("reset", () => setTimeout(filter));
  filters.addEventListener("submit", (event) => event.preventDefault());
  filter();

  // Printed besides what the reader opened, in browsers that do not know the style sheet's ::details-content.
  let folded = [];
  addEventListener("beforeprint", () => { folded = all("details.printed:not([open])"); for (const one of folded) one.open = true; });
  addEventListener("afterprint", () => { for (const one of folded) one.open = false; });

  for (const button of all("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const done = await navigator.clipboard?.writeText(source.textContent).then(() => true, () => false);
      if (!done) getSelection().selectAllChildren(source); // the reader's own shortcut does the rest
      button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
      setTimeout(() => { button.textContent = "Copy"; }, 3000);
    });
  }
})();
