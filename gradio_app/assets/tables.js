// Tables sort by the heading that is pressed: first with the best on top, then the other way round.
// The listener is the document's, as Gradio renders tables late and again.
(() => {
  const keyOf = (row, column, numeric) => {
    const value = row.cells[column].dataset.value;
    if (value === undefined) return null;
    return numeric ? Number(value) : value;
  };
  const compare = (first, second) =>
    typeof first === "string" ? first.localeCompare(second) : first - second;

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".oz-sortable .oz-sort");
    if (!button) return;
    const head = button.closest("th");
    const body = button.closest("table").tBodies[0];
    const column = head.cellIndex;
    const numeric = "better" in head.dataset;
    const before = head.getAttribute("aria-sort");
    const first = head.dataset.better === "higher" ? "descending" : "ascending";
    const opposite = { ascending: "descending", descending: "ascending" };
    const order = before ? opposite[before] : first;
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [keyOf(row, column, numeric), row]);
    rows.sort(([one], [two]) => {
      // What wasn't measured stays at the end either way.
      if (one === null || two === null) return (one === null) - (two === null);
      return sign * compare(one, two);
    });
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    body.append(...rows.map(([, row]) => row));
  });
})();
