"use strict";
(function () {
  const body = document.querySelector("#visits tbody");
  const rows = Array.from(body.rows);
  const filter = document.getElementById("filter");
  const count = document.getElementById("count");

  const grade = document.getElementById("grade");

  function choose() {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach(function (row) {
      const text = row.textContent.toLowerCase();
      const isGraded = !grade || grade.value === "" || row.dataset.grade === grade.value;
      row.hidden = !isGraded || !wanted.every(function (word) { return text.includes(word); });
      if (!row.hidden) shown += 1;
    });
    count.textContent = shown + " of " + rows.length + " visits";
  }

  filter.addEventListener("input", choose);
  if (grade) grade.addEventListener("change", choose);
  if (filter.value || (grade && grade.value)) choose();  // as the browser kept them

  function value(row, column) {
    const text = row.cells[column].textContent.trim();
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  }

  document.querySelectorAll("#visits th[aria-sort]").forEach(function (heading) {
    heading.querySelector("button").addEventListener("click", function () {
      const column = heading.cellIndex;
      const isRising = heading.getAttribute("aria-sort") !== "ascending";
      document.querySelectorAll("#visits th[aria-sort]").forEach(function (other) { other.setAttribute("aria-sort", "none"); });
      heading.setAttribute("aria-sort", isRising ? "ascending" : "descending");
      rows.sort(function (a, b) {
        const one = value(a, column), two = value(b, column);
        if (one === "" || two === "") return (one === "") - (two === "");  // what is missing stands last
        const order = typeof one === "number" && typeof two === "number" ? one - two
          : String(one).localeCompare(String(two), "en", { numeric: true });
        return isRising ? order : -order;
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  });
}());
