// Sorting and filtering of the score table. Without it the page shows everything.
(() => {
  const table = document.querySelector("table.scans");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);

  const compare = (kind, sign, a, b) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // nothing comes last
    if (kind === "number") return sign * (a - b);
    return sign * a.localeCompare(b, "en", { numeric: true });
  };

  const sortBy = (head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    const valueOf = (row) => row.cells[head.cellIndex].dataset.value;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const [kind, sign] = [head.dataset.sort, down ? -1 : 1];
    rows.sort((a, b) => compare(kind, sign, valueOf(a), valueOf(b)));
    body.append(...rows);
  };

  heads.filter((head) => head.dataset.sort).forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sortBy(head));
    head.replaceChildren(button);
  });

  const input = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const textOf = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    let n = 0;
    rows.forEach((row) => {
      row.hidden = !textOf.get(row).includes(wanted);
      n += row.hidden ? 0 : 1;
    });
    shown.textContent = wanted ? `${n} of ${rows.length} shown` : "";
  });
  document.querySelector(".controls").hidden = false;
})();
