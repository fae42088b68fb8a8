// Tables that sort. Without this file everything can still be read.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

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
})();
