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
    show();
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
  const more = document.getElementById("more");
  const textOf = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  let limit = 500; // a browser takes seconds to lay out ten thousand rows

  const show = () => {
    const wanted = input.value.trim().toLowerCase();
    let found = 0;
    rows.forEach((row) => {
      const matches = textOf.get(row).includes(wanted);
      found += matches ? 1 : 0;
      row.hidden = !matches || found > limit;
    });
    const visible = Math.min(found, limit);
    more.hidden = visible === found;
    shown.textContent = visible < rows.length ? `${visible} of ${rows.length} scans shown` : "";
  };

  input.addEventListener("input", show);
  more.addEventListener("click", () => {
    limit = Infinity;
    show();
  });
  document.querySelector(".controls").hidden = false;
  show();
})();
